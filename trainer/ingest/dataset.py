"""From a manifest to batches: `load` one epoch, or several as one data set."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainer.ingest import decode, heap, order, verify
from trainer.ingest.config import IngestConfig
from trainer.ingest.plan import Plan, resolve

if TYPE_CHECKING:
    import tensorflow as tf

_DEFAULTS = IngestConfig()
# Times the parts of an epoch it is still an int64.
_MAX_EPOCH = 2**56
# Batches of serialised records read ahead; more than two of pixels leave the processor's caches.
_NUM_LARGE_AHEAD, _NUM_SMALL_AHEAD = 2, 4


def load(
    data_dir: str | os.PathLike[str], split: str, config: IngestConfig = _DEFAULTS, *, variant: str | None = None
) -> tf.data.Dataset:
    """Loads one epoch of a split: every example once.

    Args:
        data_dir: The data set's folder, local or on an object store (`gs://…`).
        split: The split's name.
        config: How to read it; `config.epoch` is the one that is loaded.
        variant: The variant's name; None where there is only one.

    Returns:
        Batches of (images, labels): uint8 (B, H, W, 3), 0-255, and int32 (B,), indices into the manifest's class names.
        For embeddings float32 (B, 1280) instead of the images. The last batch may be smaller.

    Raises:
        ConfigError: no such split or variant, or a field that doesn't fit it.
        DatasetError: no manifest, or a shard that is not what the manifest says.
    """
    return load_epochs(data_dir, split, config, 1, variant=variant)


def load_epochs(
    data_dir: str | os.PathLike[str],
    split: str,
    config: IngestConfig = _DEFAULTS,
    num_epochs: int | None = None,
    *,
    variant: str | None = None,
) -> tf.data.Dataset:
    """Loads several epochs as one data set, so that the next one is being read while the last one is decoded.

    Args:
        data_dir: As for `load`.
        split: As for `load`.
        config: `config.epoch` is the first epoch; `config.start_step` applies to that one only.
        num_epochs: How many epochs; None for no end.
        variant: As for `load`.

    Returns:
        What `load` returns for each epoch, one after the other; no batch holds examples of two.

    Raises:
        ConfigError: as for `load`.
        DatasetError: as for `load`.
    """
    plan = resolve(data_dir, split, config, variant)
    if config.service_address is not None:
        # Here, since that module is a command too, which Python loads twice if its package imports it.
        from trainer.ingest import service

        service.check_reachable("service_address", config.service_address)
    verify.check_shards(os.path.dirname(plan.folder), plan.variant, plan.split, config.verify)
    if config.keep_heap:
        heap.keep_freed_memory()
    return build(plan, num_epochs)


def steps_per_epoch(
    data_dir: str | os.PathLike[str], split: str, config: IngestConfig = _DEFAULTS, *, variant: str | None = None
) -> int:
    """Returns the number of batches that this worker's `load` gives for a whole epoch, `start_step` aside.

    Raises:
        ConfigError: as for `load`.
        DatasetError: there is no manifest.
    """
    return resolve(data_dir, split, config, variant).steps_per_epoch


def build(plan: Plan, num_epochs: int | None) -> tf.data.Dataset:
    """Builds what `load_epochs` returns; looks at no shard."""
    import tensorflow as tf

    config = plan.config
    first, last = config.epoch, _MAX_EPOCH if num_epochs is None else config.epoch + num_epochs
    if plan.cache_path:
        tf.io.gfile.makedirs(os.path.dirname(plan.cache_path))
    make = _repeater(plan) if plan.is_frozen else functools.partial(_batches, plan, order.cache_records(plan))
    if config.start_step and first < last:
        # A data set of its own for the epoch that is cut, so that in the others nothing has to be looked at.
        batches = make(tf.data.Dataset.range(first, first + 1), config.start_step)
        batches = batches.concatenate(make(tf.data.Dataset.range(first + 1, last), 0))
    else:
        batches = make(tf.data.Dataset.range(first * plan.num_parts, last * plan.num_parts), 0)
    if plan.is_distributed:
        batches = _leave_to_service(plan, batches)
    if config.prefetch:
        batches = batches.prefetch(tf.data.AUTOTUNE if config.autotune else config.prefetch)
    if plan.is_distributed:
        # A worker that is lost takes batches with it, so their number isn't promised.
        return batches.with_options(_options(plan))
    num_batches = tf.data.INFINITE_CARDINALITY
    if num_epochs is not None:
        num_batches = max(0, num_epochs * plan.steps_per_epoch - config.start_step)
    return batches.apply(tf.data.experimental.assert_cardinality(num_batches)).with_options(_options(plan))


def _leave_to_service(plan: Plan, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Has a tf.data service make the batches, each part of an epoch by the next worker that is free."""
    import tensorflow as tf

    experimental = tf.data.experimental.service
    distribute = experimental.distribute(
        processing_mode=experimental.ShardingPolicy.DYNAMIC,
        service=f"grpc://{plan.config.service_address}",
        # Pixels hardly shrink, and packing them takes as long as decoding.
        compression=None,
    )
    return batches.with_options(_options(plan)).apply(distribute)


def _batches(plan: Plan, cached: tf.data.Dataset | None, parts: tf.data.Dataset, start_step: int) -> tf.data.Dataset:
    """Makes the batches of all `parts`, each from `start_step` on; without a service a part is an epoch.

    Only reading and shuffling happen for each epoch apart; parsing and decoding run on from one to the next.
    """
    if not plan.is_batchwise:
        return _assemble(plan, _examples(plan, cached, parts, start_step))
    config, parse_size = plan.config, plan.parse_size

    def read(part: tf.Tensor) -> tf.data.Dataset:
        records = order.read_epoch(plan, part, cached).skip(start_step * config.batch_size)
        return records.batch(parse_size, drop_remainder=config.drop_remainder and parse_size == config.batch_size)

    records = parts.flat_map(_plain(read))
    if config.prefetch:
        # As in `_examples`: the next epoch's shuffle buffer fills while this one's last batches are parsed and used.
        records = records.prefetch(_NUM_LARGE_AHEAD if plan.has_large_records else _NUM_SMALL_AHEAD)
    parsed = _map(plan, records, decode.batch_decoder(plan))
    if parse_size == config.batch_size:
        return parsed
    full, rest = divmod(plan.num_records - start_step * config.batch_size, config.batch_size)
    if config.drop_remainder or not rest:
        return parsed.rebatch(config.batch_size, drop_remainder=config.drop_remainder)
    # Rebatching knows no epochs, so it is told the sizes of one epoch's batches, which it then repeats.
    return parsed.rebatch([config.batch_size] * full + [rest])


def _examples(plan: Plan, cached: tf.data.Dataset | None, parts: tf.data.Dataset, start_step: int) -> tf.data.Dataset:
    """Makes the decoded examples of all `parts`, each filled up with padding to whole batches, or cut to them."""
    import tensorflow as tf

    config = plan.config

    def read(part: tf.Tensor) -> tf.data.Dataset:
        records = order.read_epoch(plan, part, cached)
        if config.drop_remainder:
            # Not `take`: that stops before the end, and a cache is complete only once its end was reached.
            records = records.batch(config.batch_size, drop_remainder=True).unbatch()
        elif plan.num_padding:
            # Of several parts the last one alone isn't whole.
            is_last = tf.cast(part % plan.num_parts == plan.num_parts - 1, tf.int64)
            records = records.concatenate(tf.data.Dataset.from_tensors("").repeat(plan.num_padding * is_last))
        records = records.skip(start_step * config.batch_size)
        epochs = tf.data.Dataset.from_tensors(order.epoch_of(plan, part)).repeat()
        return tf.data.Dataset.zip((epochs, records))

    records = parts.flat_map(_plain(read))
    if config.prefetch:
        # Fills the next epoch's shuffle buffer while the decoders work on the last records of this one.
        records = records.prefetch(config.batch_size)
    return _map(plan, records, decode.example_decoder(plan))


def _assemble(plan: Plan, examples: tf.data.Dataset) -> tf.data.Dataset:
    """Makes batches of decoded examples, without the padding."""
    import tensorflow as tf

    def strip(values: tf.Tensor, labels: tf.Tensor, is_example: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if not plan.num_padding:
            return values, labels
        number = tf.reduce_sum(tf.cast(is_example, tf.int32))
        return values[:number], labels[:number]

    return examples.batch(plan.config.batch_size, drop_remainder=True).map(_plain(strip))


def _repeater(plan: Plan) -> Callable[[tf.data.Dataset, int], tf.data.Dataset]:
    """Caches epoch 0's examples or batches; returns what gives them out for each epoch, from a step on."""
    import tensorflow as tf

    config, epoch_0 = plan.config, tf.data.Dataset.range(1)
    if config.cache_of == "batches" or plan.is_batchwise:
        batches = _batches(plan, None, epoch_0, 0).cache(plan.cache_path)
        return lambda epochs, start_step: epochs.flat_map(_plain(lambda _: batches.skip(start_step)))
    examples = _examples(plan, None, epoch_0, 0).cache(plan.cache_path)

    def repeat(epochs: tf.data.Dataset, start_step: int) -> tf.data.Dataset:
        rest = epochs.flat_map(_plain(lambda _: examples.skip(start_step * config.batch_size)))
        return _assemble(plan, rest)

    return repeat


def _map(plan: Plan, dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    import tensorflow as tf

    if plan.config.autotune:
        return dataset.map(_plain(function), num_parallel_calls=tf.data.AUTOTUNE)
    parallelism = plan.map_parallelism
    return dataset.map(_plain(function), num_parallel_calls=parallelism if parallelism > 1 else None)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function as one that AutoGraph has nothing to rewrite in; tracing is then several times faster."""
    import tensorflow as tf

    plain: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return plain


def _options(plan: Plan) -> tf.data.Options:
    import tensorflow as tf

    config = plan.config
    options = tf.data.Options()
    options.deterministic = config.deterministic
    # Off by default: its model sleeps in steps that double, and an iterator's end waits for the step: an epoch of
    # 0.19 s then takes 0.31.
    options.autotune.enabled = config.autotune
    if config.autotune:
        options.autotune.ram_budget = config.memory_budget_mb * 1_000_000
    options.experimental_optimization.apply_default_optimizations = config.rewrite
    options.experimental_optimization.map_parallelization = config.rewrite
    # Decoders then write into the batch themselves instead of leaving a copy to one thread: 3 % for JPEG.
    options.experimental_optimization.map_and_batch_fusion = config.rewrite
    # Workers share the records by `shard`; TensorFlow would share the files a second time.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    if config.private_threads:
        options.threading.private_threadpool_size = config.private_threads
    return options
