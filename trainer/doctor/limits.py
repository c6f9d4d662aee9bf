"""Measures the machine's limits for the same bytes: reading, copying and decoding them with nothing around it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from etl.format import encodings
from trainer.doctor.rates import Rate, summarise
from trainer.doctor.sample import Sample, with_options
from trainer.doctor.stages import Step, counted
from trainer.doctor.timing import NUM_WINDOWS
from trainer.files import is_remote
from trainer.ingest.plan import Plan

# Read at a time: small enough to still be in a core's cache when it is copied; from an object store, one request.
_BLOCK_BYTES = 1 << 20
_REMOTE_BLOCK_BYTES = 8 << 20
# Copied into, over and over; larger than a core's cache, as a batch is.
_BATCH_BYTES = 16 << 20
# What zlib calls a GZIP file with the largest window.
_GZIP_BITS = 31


def time_copy(plan: Plan, num_threads: int, seconds: float) -> Rate:
    """Reads the shards' bytes and copies them into a batch, in several threads at once; compressed ones are unpacked.

    Args:
        plan: Whose shards.
        num_threads: Each starts in another part of them.
        seconds: How long; a quarter of it warms up.

    Returns:
        Images a second, at the shards' mean bytes an image.
    """
    copiers = [_Copier(read_blocks(plan, index / num_threads)) for index in range(num_threads)]
    per_image = plan.split.num_bytes / plan.split.num_examples

    def copy(length: float) -> tuple[float, float]:
        started = time.perf_counter()
        num_bytes = sum(pool.map(lambda copier: copier.copy(started + length), copiers))
        return num_bytes / per_image, time.perf_counter() - started

    with ThreadPoolExecutor(num_threads) as pool:
        copy(seconds / 4)
        return summarise([copy(seconds * 3 / 4 / NUM_WINDOWS) for _ in range(NUM_WINDOWS)])


def decode_files_step(sample: Sample) -> Step:
    """Decodes the sample's image files, whole and at full size, on all threads, and keeps nothing of them."""
    plan = sample.plan
    decoder = encodings.in_graph(plan.variant.encoding.name)

    def decode(parsed: dict[str, tf.Tensor]) -> tf.Tensor:
        # Of the pixels only their number is kept: batching them would cost a copy.
        return tf.size(decoder.decode(*decoder.open(parsed)))

    parallelism = plan.map_parallelism
    files = tf.data.Dataset.from_tensor_slices(sample.parsed()).repeat()
    decoded = files.map(
        tf.autograph.experimental.do_not_convert(decode), num_parallel_calls=parallelism if parallelism > 1 else None
    )
    return counted(with_options(plan, decoded.batch(plan.config.batch_size)))


def read_blocks(plan: Plan, start: float = 0.0) -> Iterator[tuple[int, Any]]:
    """Reads all shards over and over.

    Args:
        plan: Whose shards.
        start: Where to begin, as a share of the list of shards: 0 to 1. Between two of them it means a place within the
            first, for uncompressed ones.

    Yields:
        The bytes that a block takes in its file, and its content, unpacked where it is compressed, valid until the next
        one is asked for.
    """
    first, skipped = divmod(start * len(plan.paths), 1)
    is_packed = plan.variant.compression == "gzip"
    shards = list(zip(plan.paths, plan.split.shards, strict=True))
    shards = shards[int(first) :] + shards[: int(first)]
    while True:
        for path, shard in shards:
            unpacker = zlib.decompressobj(wbits=_GZIP_BITS) if is_packed else None
            for block in _read_file(path, 0 if is_packed else int(skipped * shard.num_bytes)):
                yield len(block), unpacker.decompress(block) if unpacker else block
            skipped = 0.0


def _read_file(path: str, start: int) -> Iterator[Any]:
    if is_remote(path):
        with tf.io.gfile.GFile(path, "rb") as remote:
            remote.seek(start)
            while data := remote.read(_REMOTE_BLOCK_BYTES):
                yield data
        return
    block = memoryview(bytearray(_BLOCK_BYTES))
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while size := file.readinto(block):
            yield block[:size]


class _Copier:
    """One thread's blocks, and the batch that it copies them into."""

    def __init__(self, blocks: Iterator[tuple[int, Any]]) -> None:
        self._blocks = blocks
        self._batch = np.zeros(_BATCH_BYTES, np.uint8)
        self._place = 0

    def copy(self, until: float) -> int:
        """Goes on until that time of `perf_counter`; returns the bytes read, as stored."""
        num_bytes = 0
        while time.perf_counter() < until:
            size, block = next(self._blocks)
            # Unpacking may give nothing yet.
            if len(block):
                self._put(block)
            num_bytes += size
        return num_bytes

    def _put(self, block: Any) -> None:
        """Copies bytes behind the last ones, from the batch's beginning again when it is full."""
        source = np.frombuffer(block, np.uint8)
        while len(source):
            part = source[: _BATCH_BYTES - self._place]
            self._batch[self._place : self._place + len(part)] = part
            self._place = (self._place + len(part)) % _BATCH_BYTES
            source = source[len(part) :]
