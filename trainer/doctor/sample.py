"""Some of the data set's records, in memory, so that each stage can run without the ones before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from etl.format import schema
from etl.format.features import FeatureSpec
from trainer.ingest import order
from trainer.ingest.decode import needed_features
from trainer.ingest.plan import Plan

# More than any processor's cache holds, so that copies are timed from memory.
_SAMPLE_BYTES = 128_000_000
_MAX_RECORDS = 16_384


@dataclass(frozen=True, slots=True)
class Sample:
    """Records of the first epoch, in the order on disk.

    Attributes:
        plan: How they are read.
        records: Serialised examples, at least one.
        features: What the input needs of each, by name.
    """

    plan: Plan
    records: list[bytes]
    features: dict[str, FeatureSpec]

    @property
    def name(self) -> str:
        """The feature that holds the image or the embedding."""
        return self.plan.variant.encoding.feature

    def batches(self) -> Iterator[list[bytes]]:
        """Cuts the records into batches; a last, smaller one is left out unless it is the only one."""
        size = self.plan.config.batch_size
        for start in range(0, max(1, len(self.records) - size + 1), size):
            yield self.records[start : start + size]

    def parsed(self) -> dict[str, Any]:
        """Returns the records' features, one row a record: tensors, or ragged ones where lengths differ."""
        return schema.parse_batch(tf.constant(self.records), self.features)


def take_sample(plan: Plan) -> Sample:
    """Reads records into memory: at most 16,384, about 128 million bytes, and at least a batch where there is one."""
    num_wanted = max(plan.config.batch_size, min(_MAX_RECORDS, int(_SAMPLE_BYTES / plan.mean_record_bytes)))
    records = next(iter(read_records(plan).batch(min(num_wanted, plan.num_records)))).numpy()
    return Sample(plan, list(records), needed_features(plan))


def read_records(plan: Plan, num_epochs: int = 1) -> tf.data.Dataset:
    """Reads serialised examples, string scalars, as the pipeline does but without its shuffle buffer."""
    bare = dataclasses.replace(plan, config=plan.config.replace(shuffle_buffer=0))

    def read(epoch: tf.Tensor) -> tf.data.Dataset:
        return order.read_epoch(bare, epoch, None)

    first = plan.first_epoch
    epochs = tf.data.Dataset.range(first, first + num_epochs)
    return with_options(plan, epochs.flat_map(tf.autograph.experimental.do_not_convert(read)))


def with_options(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a data set on the plan's threads, which TensorFlow neither rewrites nor tunes."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.map_parallelization = False
    if plan.config.private_threads:
        options.threading.private_threadpool_size = plan.config.private_threads
    return dataset.with_options(options)
