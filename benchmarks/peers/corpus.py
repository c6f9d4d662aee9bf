"""Makes the photographs that every peer gets: JPEG files, the same smaller, and pixels."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.datasets import SHARD_MB, resize_jpegs
from benchmarks.harness.rates import files_of
from benchmarks.peers.peer import JPEG, PIXELS, SIDE, SMALL_JPEG, Corpus
from etl import errors, run
from etl.format.schema import COMMON_FEATURES, feature_spec
from etl.images import normalise, sniff

_BATCH_SIZE = 256
_NUM_CHANNELS = 3


def make(photographs: Path, folder: Path, num_images: Mapping[str, int]) -> Corpus:
    """Makes the corpus.

    Args:
        photographs: A folder with one directory a class; or with one for all, whose files are named `<class>_<number>`.
        folder: A new folder.
        num_images: How many images of each deliverable, each photograph as often as needed.

    Raises:
        RuntimeError: no plain JPEG among the photographs, or our ETL failed.
    """
    files = [path for path in sorted(photographs.glob("*/*.jpg")) if is_plain_jpeg(path)]
    if not files:
        raise RuntimeError(f"{photographs} holds no plain JPEG")
    corpus = Corpus(str(folder), dict(num_images), {})
    _copy(files, corpus.photographs(JPEG), num_images[JPEG])
    _write_ours(corpus, JPEG, corpus.photographs(JPEG), "jpeg")
    # Of each photograph once: every further copy would be resized to the same bytes.
    once = folder / "once"
    _copy(files, once / "photographs", len(files))
    _run_etl(once / "photographs", once / "ours", "--variants", "jpeg")
    resize_jpegs(once / "ours" / "jpeg", once / "small")
    _copy(sorted((once / "small").glob("*/*")), corpus.photographs(SMALL_JPEG), num_images[SMALL_JPEG])
    shutil.rmtree(once)
    _write_ours(corpus, SMALL_JPEG, corpus.photographs(SMALL_JPEG), "jpeg")
    many = folder / "many"
    _copy(files, many, num_images[PIXELS])
    _write_ours(corpus, PIXELS, many, "pixel", "--image_size", str(SIDE))
    shutil.rmtree(many)
    _export_pixels(corpus)
    return corpus


def is_plain_jpeg(path: Path) -> bool:
    """Returns whether a file is what all peers decode alike: a whole, upright JPEG in colour."""
    data = path.read_bytes()
    try:
        normalise.verify_jpeg(data)
    except errors.RecordError:
        return False
    return sniff.sniff(data).components == _NUM_CHANNELS


def class_of(path: Path) -> str:
    """Returns a photograph's class: its directory's name, or for the pets what its own name begins with."""
    is_pet = path.parent.name == "images"
    return path.stem.rpartition("_")[0] if is_pet else path.parent.name


def _copy(files: Sequence[Path], target: Path, num_images: int) -> None:
    # Copies, not links: what the others write holds every image too, and is as hard on the processor's caches.
    for number, path in enumerate(itertools.islice(itertools.cycle(files), num_images)):
        copy = target / class_of(path) / f"{number:06d}.jpg"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _write_ours(corpus: Corpus, deliverable: str, photographs: Path, variant: str, *arguments: str) -> None:
    start = time.perf_counter()
    _run_etl(photographs, Path(corpus.ours(deliverable)[0]), "--variants", variant, *arguments)
    corpus.ours_seconds[deliverable] = time.perf_counter() - start


def _run_etl(photographs: Path, output: Path, *arguments: str) -> None:
    where = ["--source", "folder", "--input", str(photographs), "--output", str(output)]
    if run.main([*where, "--splits", "train=1", "--shard_mb", str(SHARD_MB), *arguments]) != 0:
        raise RuntimeError(f"the ETL failed to write {output.name}")


def _export_pixels(corpus: Corpus) -> None:
    """Writes our pixels as one array, which the others convert."""
    import numpy as np
    import tensorflow as tf

    spec = feature_spec({"label_int": COMMON_FEATURES["label_int"]})
    spec["image"] = tf.io.FixedLenFeature([], tf.string)
    num_images = corpus.num_images[PIXELS]
    path = Path(corpus.folder) / "pixels.npy"
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (num_images, SIDE, SIDE, 3))
    labels: list[int] = []
    for batch in tf.data.TFRecordDataset(files_of(*corpus.ours(PIXELS))).batch(_BATCH_SIZE):
        parsed = tf.io.parse_example(batch, spec)
        pixels = tf.io.decode_raw(parsed["image"], tf.uint8).numpy().reshape(-1, SIDE, SIDE, 3)
        images[len(labels) : len(labels) + len(pixels)] = pixels
        labels += parsed["label_int"].numpy().tolist()
    if len(labels) != num_images:
        raise RuntimeError(f"the ETL wrote {len(labels)} of {num_images} images")
    images.flush()
    np.save(Path(corpus.folder) / "labels.npy", np.array(labels, np.int64))
