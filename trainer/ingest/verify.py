"""Finds missing, cut and changed shards before training starts, not in the middle of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from etl.errors import DatasetError, one_line
from etl.format.manifest import Shard, Split, Variant
from etl.paths import join

# Object stores answer a request in tens of milliseconds whatever the number in flight.
_NUM_STAT_THREADS = 16
_READ_BYTES = 4 << 20
# A damaged disk can spoil thousands; three names tell where to look.
_NUM_NAMED = 3


def check_shards(data_dir: str, variant: Variant, split: Split, level: str) -> None:
    """Compares a split's files with the manifest.

    Args:
        data_dir: The data set's folder, local or on an object store.
        variant: Whose shards.
        split: Which of its splits.
        level: `none`, `size` (every shard exists and has its size) or `full` (and its SHA-256: every byte is read).

    Raises:
        DatasetError: names the shards that are missing, of another size or changed.
    """
    if level == "none":
        return
    folder = join(data_dir, variant.name)
    problems = _find_problems(folder, split.shards, is_full=level == "full")
    if problems:
        named = "; ".join(problems[:_NUM_NAMED])
        more = f"; and {len(problems) - _NUM_NAMED} more" if len(problems) > _NUM_NAMED else ""
        raise DatasetError(f"{folder}: {len(problems)} of {len(split.shards)} shards are damaged: {named}{more}")


def _find_problems(folder: str, shards: Sequence[Shard], *, is_full: bool) -> list[str]:
    num_threads = (os.cpu_count() or 1) if is_full else _NUM_STAT_THREADS
    with ThreadPoolExecutor(min(num_threads, len(shards))) as pool:
        found = pool.map(lambda shard: _find_problem(join(folder, shard.name), shard, is_full=is_full), shards)
        return [f"{shard.name} {problem}" for shard, problem in zip(shards, found, strict=True) if problem]


def _find_problem(path: str, shard: Shard, *, is_full: bool) -> str:
    try:
        num_bytes = tf.io.gfile.stat(path).length
        if num_bytes != shard.num_bytes:
            return f"has {num_bytes:,} bytes instead of {shard.num_bytes:,}"
        if is_full and _sha256(path) != shard.sha256:
            return "does not have the SHA-256 that the manifest gives"
    except tf.errors.NotFoundError:
        return "is missing"
    except (tf.errors.OpError, OSError) as error:
        return f"can't be read: {one_line(error)[:200]}"
    return ""


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
