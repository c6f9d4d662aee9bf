"""Reading as fast as it goes, and what bounds it: decoding alone, the same files unparsed, a copy of their bytes.

Ours are read in whole epochs: what fills a shuffle buffer at an epoch's beginning comes out of it before its end.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.datasets import MODEL_SIDE
from benchmarks.harness.machine import usable_cores
from etl.format.features import FeatureSpec
from etl.format.schema import EMBEDDING_SIZE, feature_spec
from trainer import ingest
from trainer.data import load_manifest

if TYPE_CHECKING:
    import tensorflow as tf

BATCH_SIZE = 64
SEED = 7
# Files that one of the decoding threads takes at a time.
_CHUNK = 16
_USUAL_SHUFFLE = 1_024

Row = Callable[[], dict[str, Any]]


def make_rows(images: str, small_jpegs: str, embeddings: str, pass_seconds: float) -> dict[str, Row]:
    """Makes the rows.

    Args:
        images: A data set with the variants `jpeg` and `pixel`, 224x224; like the others with a long epoch.
        small_jpegs: One with `jpeg`, smaller.
        embeddings: One with `embedding`.
        pass_seconds: How long each row takes, roughly.

    Returns:
        Name to function, whose facts are `num_items` and the `seconds` that they took.
    """
    training = ingest.IngestConfig(batch_size=BATCH_SIZE, training=True, seed=SEED, epoch=0)
    crops = training.replace(image_size=MODEL_SIDE)
    one_by_one = training.replace(whole_batches=False)
    pixels, embedding_files = files_of(images, "pixel"), files_of(embeddings, "embedding")

    def read(data_dir: str, variant: str, config: ingest.IngestConfig) -> Row:
        return WholeEpochs(data_dir, variant, config, pass_seconds)

    def go_on(source: Callable[[], Iterable[Any]]) -> Row:
        return functools.partial(_go_on, functools.cache(source), pass_seconds)

    return {
        "JPEG, random crop to 224": read(images, "jpeg", crops),
        "JPEG of shorter side 256, random crop to 224": read(small_jpegs, "jpeg", crops),
        "bare decode of the JPEGs": go_on(lambda: BareDecode(_read_jpegs(images))),
        "bare decode of the JPEGs of shorter side 256": go_on(lambda: BareDecode(_read_jpegs(small_jpegs))),
        "pixels, 224x224 uint8": read(images, "pixel", training),
        "pixels, one by one": read(images, "pixel", one_by_one),
        "the pixels' files, unparsed": go_on(lambda: _unparsed(pixels)),
        "the pixels' files, unparsed, two at a time": go_on(
            lambda: _unparsed(pixels, num_parallel_reads=2).prefetch(2)
        ),
        "the pixels' files, readinto and copy": go_on(lambda: _copies(pixels)),
        "embeddings": read(embeddings, "embedding", training),
        "embeddings, one by one": read(embeddings, "embedding", one_by_one),
        "embeddings, one by one, as usually written": go_on(lambda: _as_usual(embedding_files)),
        "the embeddings' files, unparsed": go_on(lambda: _unparsed(embedding_files)),
    }


class WholeEpochs:
    """Reads a data set, as many whole epochs as fit into a given time; the first call, for warming up, reads one.

    Args:
        data_dir: The data set's folder.
        variant: The variant's name.
        config: How to read it.
        pass_seconds: How long a call takes, roughly.
    """

    def __init__(self, data_dir: str, variant: str, config: ingest.IngestConfig, pass_seconds: float) -> None:
        self._load = functools.partial(ingest.load_epochs, data_dir, "train", config, variant=variant)
        self._pass_seconds = pass_seconds
        self._batches: tf.data.Dataset | None = None

    def __call__(self) -> dict[str, Any]:
        batches = self._load(num_epochs=1) if self._batches is None else self._batches
        start = time.perf_counter()
        num_items = sum(len(labels) for _, labels in batches)
        seconds = time.perf_counter() - start
        if self._batches is None:
            self._batches = self._load(num_epochs=max(1, round(self._pass_seconds / seconds)))
        return {"num_items": num_items, "seconds": seconds}


def _go_on(source: Callable[[], Iterable[Any]], pass_seconds: float) -> dict[str, Any]:
    """Counts what comes out of an endless source for a while."""
    made = source()
    num_items, start, seconds = 0, time.perf_counter(), 0.0
    for batch in made:
        num_items += len(batch[0]) if isinstance(batch, tuple) else len(batch)
        seconds = time.perf_counter() - start
        if seconds >= pass_seconds:
            break
    facts = {"num_items": num_items, "seconds": seconds}
    return facts | {"decoder": made.decoder} if isinstance(made, BareDecode) else facts


def files_of(data_dir: str, variant: str) -> list[str]:
    shards = load_manifest(data_dir).variants[variant].splits["train"].shards
    return [str(Path(data_dir) / variant / shard.name) for shard in shards]


def _unparsed(files: list[str], **options: int) -> tf.data.Dataset:
    """Reads serialised examples in batches, as anyone would who wants to know how fast files can be read."""
    import tensorflow as tf

    return tf.data.TFRecordDataset(files, **options).repeat().batch(BATCH_SIZE)


def _as_usual(files: list[str]) -> tf.data.Dataset:
    """Reads embeddings as TensorFlow's guides do: shuffled, each example parsed, then batches, all tuned by itself."""
    import tensorflow as tf

    tune = tf.data.AUTOTUNE
    names = ("image_embedding", "label_int")
    spec = feature_spec(
        {"image_embedding": FeatureSpec("float32", (EMBEDDING_SIZE,)), "label_int": FeatureSpec("int64")}
    )

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_single_example(record, spec)
        return tuple(parsed[name] for name in names)

    paths = tf.data.Dataset.from_tensor_slices(files).repeat()
    records = paths.interleave(tf.data.TFRecordDataset, num_parallel_calls=tune).shuffle(_USUAL_SHUFFLE)
    return records.map(parse, num_parallel_calls=tune).batch(BATCH_SIZE).prefetch(tune)


def _copies(files: list[str]) -> Iterator[np.ndarray]:
    """Reads files as they are, an image's bytes as an item, and copies each batch once; on one thread."""
    buffer = np.empty((BATCH_SIZE, MODEL_SIDE, MODEL_SIDE, 3), np.uint8)
    for path in itertools.cycle(files):
        with open(path, "rb", buffering=0) as file:
            while num_bytes := file.readinto(buffer.reshape(-1).data):
                yield buffer[: math.ceil(num_bytes / buffer[0].nbytes)].copy()


def _read_jpegs(data_dir: str) -> list[bytes]:
    import tensorflow as tf

    spec = {"image": tf.io.FixedLenFeature([], tf.string)}
    # Of a repeated data set each file once.
    files = sorted({os.path.realpath(path) for path in files_of(data_dir, "jpeg")})
    records = tf.data.TFRecordDataset(files).batch(BATCH_SIZE)
    return [image for batch in records for image in tf.io.parse_example(batch, spec)["image"].numpy()]


class BareDecode:
    """Decodes whole JPEGs from memory and does nothing with them, on a thread for each core.

    Args:
        jpegs: The files' bytes.
    """

    def __init__(self, jpegs: list[bytes]) -> None:
        self._jpegs = jpegs
        self._decode, self.decoder = _best_decoder(jpegs)

    def __iter__(self) -> Iterator[list[int]]:
        num_threads = len(usable_cores())
        chunks = itertools.cycle(self._jpegs[first : first + _CHUNK] for first in range(0, len(self._jpegs), _CHUNK))
        with ThreadPoolExecutor(num_threads) as pool:
            # Twice as many chunks in flight as threads, so that none waits for the next.
            waiting = [pool.submit(self._decode_all, next(chunks)) for _ in range(2 * num_threads)]
            for chunk in chunks:
                yield waiting.pop(0).result()
                waiting.append(pool.submit(self._decode_all, chunk))

    def _decode_all(self, jpegs: list[bytes]) -> list[int]:
        return [self._decode(jpeg) for jpeg in jpegs]


def _best_decoder(jpegs: list[bytes]) -> tuple[Callable[[bytes], int], str]:
    """Returns a function that decodes one JPEG to RGB, without the global lock, and what it is."""
    try:
        import simplejpeg
    except ImportError:
        import tensorflow as tf

        from etl.images.graph import decoding

        decode = decoding.function("decode")
        return lambda data: int(decode(data, tf.constant(1 << 40, tf.int64)).shape[0]), "tf.io.decode_jpeg"
    num_bytes = max(math.prod(simplejpeg.decode_jpeg_header(data)[:2]) * 3 for data in jpegs)
    buffers = threading.local()

    def decode_into_buffer(data: bytes) -> int:
        # A buffer for each thread, so that no page is faulted in for every image.
        if not hasattr(buffers, "pixels"):
            buffers.pixels = np.empty(num_bytes, np.uint8)
        height: int = simplejpeg.decode_jpeg(data, "RGB", buffer=buffers.pixels).shape[0]
        return height

    return decode_into_buffer, f"libjpeg-turbo (simplejpeg {simplejpeg.__version__})"
