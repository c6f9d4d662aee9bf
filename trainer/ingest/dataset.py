"""Makes batches from a manifest: `load` gives an epoch an iteration, or several as one data set."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.ingest import caching, decode, epochs, heap, order, service, verify
from trainer.ingest.config import IngestConfig
from trainer.ingest.plan import Plan, resolve

_DEFAULTS = IngestConfig()
# Batches of serialised records read ahead; more than two of pixels leave the processor's caches.
_NUM_LARGE_AHEAD, _NUM_SMALL_AHEAD = 2, 4


def load(
    data_dir: str | os.PathLike[str], split: str, config: IngestConfig = _DEFAULTS, *, variant: str | None = None
) -> tf.data.Dataset:
    """Loads a split, of which every iteration gives one epoch: every example once.

    Iteration k gives the epoch `config.first_epoch + k`, in its own order and with its own windows, so that
    `fit(dataset, epochs=n)` or a loop of one's own sees n epochs. An iteration counts as soon as it asks for its first
    batch, also one that ends early; several at once have an epoch each, and `repeat(n)` is n iterations. With
    `config.epoch` every iteration gives that one epoch. Where epochs don't differ, as in evaluation, nothing counts.

    Keras's `fit` iterates once an epoch, and under a strategy once more before the first. With `steps_per_epoch` give
    it a data set that doesn't end, `load_epochs(…, None)`; also for a start within an epoch (`start_step`), since `fit`
    would take the first iteration's length for that of all.

    Args:
        data_dir: The data set's folder, local or on an object store (`gs://…`).
        split: The split's name.
        config: How to read it.
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
        config: `config.epoch` is the first epoch of every iteration. Where it is None the first iteration begins with
            `config.first_epoch`, and each further one goes on where the one before ended; those that don't end begin
            2**32 epochs apart. `config.start_step` cuts the first epoch only. So a run that stopped in epoch e after s
            of its batches goes on with `epoch=e, start_step=s`.
        num_epochs: How many epochs an iteration gives; None for no end.
        variant: As for `load`.

    Returns:
        What `load` returns for each epoch, one after the other; no batch holds examples of two.

    Raises:
        ConfigError: as for `load`.
        DatasetError: as for `load`.
    """
    plan = resolve(data_dir, split, config, variant)
    if config.service_address is not None:
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
    config = plan.config
    make = _repeater(plan) if plan.is_frozen else functools.partial(_batches, plan, order.cache_records(plan))
    if plan.is_distributed:
        batches = _use_service(plan, num_epochs, make)
    elif plan.is_repeated:
        batches = epochs.repeat(plan, num_epochs, make)
    else:
        batches = epochs.advance(plan, num_epochs, make)
    if plan.is_distributed and num_epochs is not None:
        # Not until its end: the service waits there for workers that have gone, also where nothing is left to do.
        batches = batches.take(num_epochs * plan.steps_per_epoch)
    if config.prefetch:
        batches = batches.prefetch(tf.data.AUTOTUNE if config.autotune else config.prefetch)
    num_batches = tf.data.INFINITE_CARDINALITY
    if num_epochs is not None and config.start_step and not plan.is_repeated:
        # The first iteration is shorter than the others.
        return batches.with_options(_options(plan))
    if num_epochs is not None:
        num_batches = max(0, num_epochs * plan.steps_per_epoch - config.start_step)
    return batches.apply(tf.data.experimental.assert_cardinality(num_batches)).with_options(_options(plan))


def _use_service(plan: Plan, num_epochs: int | None, make: epochs.MakeBatches) -> tf.data.Dataset:
    """Has a tf.data service make the batches."""

    def make_in_service(parts: tf.data.Dataset, start_step: int | None) -> tf.data.Dataset:
        return make(parts, start_step).with_options(_options(plan))

    if not plan.is_repeated:
        return epochs.advance_service(plan, num_epochs, make_in_service)
    batches = epochs.repeat(plan, num_epochs, make_in_service)
    return epochs.from_service(plan, epochs.register(plan, batches), batches.element_spec)


def _batches(
    plan: Plan, cached: tf.data.Dataset | None, parts: tf.data.Dataset, start_step: int | None
) -> tf.data.Dataset:
    """Makes the batches of all `parts`, each from `start_step` on; without a service a part is an epoch.

    Only reading and shuffling happen for each epoch apart; parsing and decoding run on from one to the next.
    """
    if not plan.is_batchwise:
        return _assemble(plan, _examples(plan, cached, parts, start_step))
    config, parse_size = plan.config, plan.parse_size

    def read(part: tf.Tensor) -> tf.data.Dataset:
        records = order.read_epoch(plan, part, cached).skip(
            _num_skipped_batches(plan, part, start_step) * config.batch_size
        )
        return records.batch(parse_size, drop_remainder=config.drop_remainder and parse_size == config.batch_size)

    records = parts.flat_map(_without_autograph(read))
    if config.prefetch:
        # As in `_examples`: the next epoch's shuffle buffer fills while this one's last batches are parsed and used.
        records = records.prefetch(_NUM_LARGE_AHEAD if plan.has_large_records else _NUM_SMALL_AHEAD)
    parsed = _map(plan, records, decode.batch_decoder(plan))
    if parse_size == config.batch_size:
        return parsed
    full, rest = divmod(plan.num_records - (start_step or 0) * config.batch_size, config.batch_size)
    if config.drop_remainder or not rest:
        return parsed.rebatch(config.batch_size, drop_remainder=config.drop_remainder)
    # Rebatching knows no epochs, so it is told the sizes of one epoch's batches, which it then repeats.
    return parsed.rebatch([config.batch_size] * full + [rest])


def _examples(
    plan: Plan, cached: tf.data.Dataset | None, parts: tf.data.Dataset, start_step: int | None
) -> tf.data.Dataset:
    """Makes the decoded examples of all `parts`, each filled up with padding to whole batches, or cut to them."""
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
        records = records.skip(_num_skipped_batches(plan, part, start_step) * config.batch_size)
        epoch = tf.data.Dataset.from_tensors(order.epoch_of(plan, part)).repeat()
        return tf.data.Dataset.zip((epoch, records))

    records = parts.flat_map(_without_autograph(read))
    if config.prefetch:
        # Fills the next epoch's shuffle buffer while the decoders work on the last records of this one.
        records = records.prefetch(config.batch_size)
    return _map(plan, records, decode.example_decoder(plan))


def _assemble(plan: Plan, examples: tf.data.Dataset) -> tf.data.Dataset:
    """Makes batches of decoded examples, without the padding."""

    def strip(values: tf.Tensor, labels: tf.Tensor, is_example: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if not plan.num_padding:
            return values, labels
        number = tf.reduce_sum(tf.cast(is_example, tf.int32))
        return values[:number], labels[:number]

    return examples.batch(plan.config.batch_size, drop_remainder=True).map(_without_autograph(strip))


def _num_skipped_batches(plan: Plan, part: tf.Tensor, start_step: int | None) -> int | tf.Tensor:
    """Returns the batches to leave out of a part; see `epochs.MakeBatches`."""
    if start_step is not None:
        return start_step
    is_first = order.epoch_of(plan, part) == plan.first_epoch
    return tf.cast(is_first, tf.int64) * plan.config.start_step


def _repeater(plan: Plan) -> epochs.MakeBatches:
    """Caches epoch 0's examples or batches; returns what gives them out for each epoch, from a step on."""
    config, epoch_0 = plan.config, tf.data.Dataset.range(1)
    if config.cache_of == "batches" or plan.is_batchwise:
        batches = caching.cache(plan, _batches(plan, None, epoch_0, 0))
        return lambda parts, step: parts.flat_map(
            _without_autograph(lambda part: batches.skip(_num_skipped_batches(plan, part, step)))
        )
    examples = caching.cache(plan, _examples(plan, None, epoch_0, 0))

    def repeat(parts: tf.data.Dataset, step: int | None) -> tf.data.Dataset:
        rest = parts.flat_map(
            _without_autograph(lambda part: examples.skip(_num_skipped_batches(plan, part, step) * config.batch_size))
        )
        return _assemble(plan, rest)

    return repeat


def _map(plan: Plan, dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    if plan.config.autotune:
        return dataset.map(_without_autograph(function), num_parallel_calls=tf.data.AUTOTUNE)
    parallelism = plan.map_parallelism
    return dataset.map(_without_autograph(function), num_parallel_calls=parallelism if parallelism > 1 else None)


def _without_autograph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function as one that AutoGraph has nothing to rewrite in; tracing is then several times faster."""
    plain: Callable[..., Any] = tf.autograph.experimental.do_not_convert(function)
    return plain


def _options(plan: Plan) -> tf.data.Options:
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
