"""Reading as fast as it goes, and what bounds it: decoding alone, the same files unparsed, a copy of their bytes.

Each row goes on for a given time and counts from behind its first batch, so that its rate is that of a long epoch; what
the first batch costs is `test_startup`'s.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.datasets import MODEL_SIDE
from benchmarks.harness.machine import usable_cores
from trainer import ingest
from trainer.data import load_manifest

if TYPE_CHECKING:
    import tensorflow as tf

BATCH_SIZE = 64
SEED = 7
# Files that one of the decoding threads takes at a time.
_CHUNK = 16

Row = Callable[[], dict[str, Any]]


def make_rows(images: str, small_jpegs: str, embeddings: str, pass_seconds: float) -> dict[str, Row]:
    """Makes the rows.

    Args:
        images: A data set with the variants `jpeg` and `pixel`, 224x224.
        small_jpegs: One with `jpeg`, smaller.
        embeddings: One with `embedding`.
        pass_seconds: How long each row goes on.

    Returns:
        Name to function, whose facts are `num_items` and the `seconds` that they took.
    """
    training = ingest.IngestConfig(batch_size=BATCH_SIZE, training=True, seed=SEED)
    crops = training.replace(image_size=MODEL_SIDE)
    one_by_one = training.replace(whole_batches=False)
    pixels = files_of(images, "pixel")

    def reading(data_dir: str, variant: str, config: ingest.IngestConfig) -> Callable[[], Iterable[Any]]:
        return lambda: ingest.load_epochs(data_dir, "train", config, None, variant=variant)

    sources: dict[str, Callable[[], Iterable[Any]]] = {
        "JPEG, random crop to 224": reading(images, "jpeg", crops),
        "JPEG of shorter side 256, random crop to 224": reading(small_jpegs, "jpeg", crops),
        "bare decode of the JPEGs": lambda: BareDecode(_read_jpegs(images)),
        "bare decode of the JPEGs of shorter side 256": lambda: BareDecode(_read_jpegs(small_jpegs)),
        "pixels, 224x224 uint8": reading(images, "pixel", training),
        "pixels, one by one": reading(images, "pixel", one_by_one),
        "the pixels' files, unparsed": lambda: _unparsed(pixels),
        "the pixels' files, unparsed, two at a time": lambda: _unparsed(pixels, num_parallel_reads=2).prefetch(2),
        "the pixels' files, readinto and copy": lambda: _copies(pixels),
        "embeddings": reading(embeddings, "embedding", training),
        "embeddings, one by one": reading(embeddings, "embedding", one_by_one),
        "the embeddings' files, unparsed": lambda: _unparsed(files_of(embeddings, "embedding")),
    }
    return {row: functools.partial(_go_on, functools.cache(source), pass_seconds) for row, source in sources.items()}


def _go_on(source: Callable[[], Iterable[Any]], pass_seconds: float) -> dict[str, Any]:
    """Counts what comes out of a source for a while."""
    made = source()
    batches = iter(made)
    next(batches)
    num_items, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < pass_seconds:
        batch = next(batches)
        num_items += len(batch[1]) if isinstance(batch, tuple) else len(batch)
    facts = {"num_items": num_items, "seconds": seconds}
    return facts | {"decoder": made.decoder} if isinstance(made, BareDecode) else facts


def files_of(data_dir: str, variant: str) -> list[str]:
    shards = load_manifest(data_dir).variants[variant].splits["train"].shards
    return [str(Path(data_dir) / variant / shard.name) for shard in shards]


def _unparsed(files: list[str], **options: int) -> tf.data.Dataset:
    """Reads serialised examples in batches, as anyone would who wants to know how fast files can be read."""
    import tensorflow as tf

    return tf.data.TFRecordDataset(files, **options).repeat().batch(BATCH_SIZE)


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
    records = tf.data.TFRecordDataset(files_of(data_dir, "jpeg")).batch(BATCH_SIZE)
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

        from etl.images import graph

        decode = graph.function("decode")
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
