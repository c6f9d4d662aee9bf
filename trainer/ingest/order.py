"""The order of records: a function of the seed, the epoch, the manifest and the configuration alone.

Every draw is keyed by (seed, epoch), the windows also by the record, and none of it depends on how many threads there
are, how large a batch is or where reading starts.
"""

from __future__ import annotations

import hashlib

import tensorflow as tf

from trainer.ingest import caching, shares
from trainer.ingest.plan import Plan

# Bytes read at once. An object store's latency is worth megabytes. Local records that are large are read straight into
# place: through a buffer 224x224 pixels take 64 instead of 56 µs each.
_REMOTE_READ_BYTES = 8 << 20
_LOCAL_READ_BYTES = 256 << 10
_NUM_SEEDS = 2**31 - 1
# Any, but not TensorFlow's own 0, which it compares with a tensor.
_GRAPH_SEED = 20_231


def read_epoch(plan: Plan, part: tf.Tensor, cached: tf.data.Dataset | None) -> tf.data.Dataset:
    """Reads one part of this worker's records of one epoch, in their order: all of them, where there are no parts.

    Call it while a dataset's function is traced: it sets that function's own graph-level seed, because
    `Dataset.shuffle` would otherwise mix in the one of `tf.random.set_seed`, and the order would depend on it.

    Args:
        plan: What to read.
        part: int64 scalar: the epoch times `plan.num_parts`, plus the part's number.
        cached: What `cache_records` made, where records are cached.

    Returns:
        string scalars: serialised examples.
    """
    tf.compat.v1.set_random_seed(_GRAPH_SEED)
    epoch = epoch_of(plan, part)
    records = _read_files(plan, epoch, part) if cached is None else cached
    if plan.shuffle_buffer > 1:
        seed = tf.random.stateless_uniform(
            [], epoch_seed(plan, "buffer", epoch), minval=0, maxval=_NUM_SEEDS, dtype=tf.int64, alg="philox"
        )
        records = records.shuffle(plan.shuffle_buffer, seed=seed, reshuffle_each_iteration=False)
    if plan.reads_all_records:
        index, count = plan.config.shard
        if plan.config.drop_remainder:
            records = records.batch(plan.config.batch_size * count, drop_remainder=True).unbatch()
        records = records.shard(count, index)
    return records


def read_file(plan: Plan, path: str | tf.Tensor) -> tf.data.Dataset:
    """Reads one shard's serialised examples, string scalars, in their order."""
    compression = "GZIP" if plan.variant.compression == "gzip" else None
    return tf.data.TFRecordDataset(path, compression_type=compression, buffer_size=_read_buffer_bytes(plan))


def epoch_of(plan: Plan, part: tf.Tensor) -> tf.Tensor:
    """Returns the epoch, int64 scalar, that a part belongs to."""
    return part // plan.num_parts


def cache_records(plan: Plan) -> tf.data.Dataset | None:
    """Returns this worker's records behind a cache, in the manifest's order; None where they are not cached."""
    return caching.cache(plan, _read_files(plan, None, None)) if plan.has_cached_records else None


def epoch_seed(plan: Plan, purpose: str, epoch: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of what is drawn once an epoch."""
    return tf.stack([tf.constant(_seed_word(plan.config.seed, purpose), tf.int64), epoch])


def record_seed(plan: Plan, purpose: str, epoch: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of what is drawn for one record an epoch; `key` is its key, a string scalar."""
    word = tf.constant(_seed_word(plan.config.seed, purpose), tf.int64)
    return tf.stack([tf.bitwise.bitwise_xor(word, tf.strings.to_hash_bucket_fast(key, 2**63 - 1)), epoch])


def _seed_word(seed: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{purpose}/{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _read_files(plan: Plan, epoch: tf.Tensor | None, part: tf.Tensor | None) -> tf.data.Dataset:
    """Reads this worker's range of records or a part of it, the shards permuted where an epoch is given."""
    is_whole = plan.record_range == (0, plan.split.num_examples) and plan.num_parts == 1

    def read_one(path: tf.Tensor, first: tf.Tensor, number: tf.Tensor) -> tf.data.Dataset:
        records = read_file(plan, path)
        return records if is_whole else records.skip(first).take(number)

    parallelism = plan.parallel_reads if plan.parallel_reads > 1 else None
    return tf.data.Dataset.from_tensor_slices(_ranges(plan, epoch, part)).interleave(
        tf.autograph.experimental.do_not_convert(read_one),
        cycle_length=plan.cycle_length,
        block_length=plan.config.block_length,
        num_parallel_calls=tf.data.AUTOTUNE if parallelism and plan.config.autotune else parallelism,
    )


def _read_buffer_bytes(plan: Plan) -> int:
    if plan.is_remote:
        return _REMOTE_READ_BYTES
    is_direct = plan.variant.compression == "none" and plan.has_large_records
    return 0 if is_direct else _LOCAL_READ_BYTES


def _ranges(plan: Plan, epoch: tf.Tensor | None, part: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Cuts this worker's share out of the epoch's files.

    Workers get equal ranges of the epoch's records rather than whole files: their numbers differ by one at most
    whatever the number of files, and at most two files are read in part.

    Returns:
        Of each file that this worker reads: its path, the records to skip and the records to take.
    """
    paths = tf.constant(plan.paths)
    counts = tf.constant([shard.num_examples for shard in plan.split.shards], tf.int64)
    if plan.shuffle_files and epoch is not None:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(plan.paths)), epoch_seed(plan, "files", epoch), alg="philox"
        )
        paths, counts = tf.gather(paths, order), tf.gather(counts, order)
    starts = tf.cumsum(counts, exclusive=True)
    edges = plan.record_range if part is None else _part_range(plan, part)
    first, last = (tf.clip_by_value(edge - starts, 0, counts) for edge in edges)
    is_read = last > first
    return tuple(tf.boolean_mask(part, is_read) for part in (paths, first, last - first))


def _part_range(plan: Plan, part: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the first and last (exclusive) record of a part: whole batches, and in an epoch's last part the rest."""
    first, last = plan.record_range
    if plan.num_parts == 1:
        return tf.constant(first, tf.int64), tf.constant(last, tf.int64)
    if plan.config.drop_remainder:
        last = first + plan.steps_per_epoch * plan.config.batch_size
    number = part % plan.num_parts
    steps = shares.cut(plan.steps_per_epoch, number, plan.num_parts)
    low, high = (tf.minimum(first + step * plan.config.batch_size, tf.constant(last, tf.int64)) for step in steps)
    return low, high
