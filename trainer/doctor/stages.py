"""The stages of the input, each to be timed alone: what comes in lies in memory, what comes out is thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from etl.format import schema
from trainer import layers
from trainer.doctor.sample import Sample, read_records, with_options
from trainer.ingest import decode
from trainer.ingest.plan import Plan

# Epochs that no measurement reaches the end of.
_ENDLESS = 1_000_000_000

# Does something to a number of images, and returns that number.
Step = Callable[[], int]


def read_step(plan: Plan) -> Step:
    """Reads records from the shards, a batch at a time."""
    return counted(read_records(plan, _ENDLESS).batch(plan.config.batch_size))


def parse_step(sample: Sample) -> Step:
    """Parses serialised examples, whole batches at once where the pipeline does."""
    plan, features = sample.plan, sample.features

    # Only the label is passed on: what is timed is the one operation that finds and copies all features.
    def parse_batch(serialised: tf.Tensor) -> tf.Tensor:
        return schema.parse_batch(serialised, features)["label_int"]

    def parse_one(serialised: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_single_example(serialised, schema.feature_spec(features))["label_int"]

    if plan.is_batchwise:
        batches = _chain([tf.constant(batch) for batch in sample.batches()])
        return counted(_map(plan, batches.repeat(), parse_batch))
    records = tf.data.Dataset.from_tensor_slices(sample.records).repeat()
    return counted(_map(plan, records, parse_one).batch(plan.config.batch_size))


def decode_step(sample: Sample) -> Step | None:
    """Decodes, crops, resizes and batches what was parsed; None for embeddings, of which nothing is left to decode."""
    dataset = decode_sample(sample)
    return counted(dataset.repeat()) if dataset is not None else None


def decode_sample(sample: Sample) -> tf.data.Dataset | None:
    """Returns what `decode_step` times, once through: batches of images, in the order of the records."""
    plan = sample.plan
    if plan.size is None:
        return None
    if not plan.is_batchwise:
        return decode_dataset(plan, sample.parsed())
    batches = [schema.parse_batch(tf.constant(batch), sample.features) for batch in sample.batches()]
    return _map(plan, _chain(batches), image_decoder(plan))


def decode_dataset(plan: Plan, parsed: Mapping[str, Any]) -> tf.data.Dataset:
    """Returns batches of images decoded one by one.

    Args:
        plan: How.
        parsed: Feature to tensor, one row an example.
    """
    images = _map(plan, tf.data.Dataset.from_tensor_slices(dict(parsed)), image_decoder(plan))
    return images.batch(plan.config.batch_size)


def image_decoder(plan: Plan) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
    """Returns the pipeline's own decoder, from where an example is parsed.

    Returns:
        From parsed features to one image (H, W, 3), or to a batch of them where whole batches are parsed.
    """
    if plan.size is None:
        raise ValueError("embeddings have no images to decode")
    epoch = plan.first_epoch
    if plan.is_batchwise:
        return lambda parsed: decode.decode_batch(plan, parsed)
    return lambda parsed: decode.decode_one(plan, tf.constant(epoch, tf.int64), parsed)


def augment_step(images: Any) -> Step:
    """Flips, scales and distorts a batch of images as a model does in training, on the model's device.

    Args:
        images: uint8, (B, H, W, 3).
    """
    flip, scale = layers.RandomFlip(seed=0), layers.ToFloat()
    distort = layers.RandomColorDistortion(seed=0)

    # A number comes out: its arrival says that the device is done.
    @tf.function(jit_compile=False, autograph=False)
    def augment(batch: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(distort(scale(flip(batch, training=True)), training=True))

    on_device = tf.identity(images)

    def step() -> int:
        augment(on_device).numpy()
        return int(on_device.shape[0])

    return step


def transfer_step(images: Any, device: str) -> Step:
    """Copies a batch of images from the host to a device.

    Args:
        images: uint8, (B, H, W, 3).
        device: TensorFlow's name for it, `/GPU:0`.
    """
    with tf.device("/CPU:0"):
        on_host = tf.identity(images)

    def step() -> int:
        with tf.device(device):
            # Copies run in the background: the last byte's arrival ends one.
            tf.identity(on_host)[-1, -1, -1, -1].numpy()
        return int(on_host.shape[0])

    return step


def counted(dataset: tf.data.Dataset) -> Step:
    """Returns a step that takes the next batch and counts its rows."""
    iterator = iter(dataset)
    return lambda: int(tf.nest.flatten(next(iterator))[0].shape[0])


def _chain(elements: list[Any]) -> tf.data.Dataset:
    """Returns the elements as they are; slices of one large tensor would be copies."""
    first, *others = (tf.data.Dataset.from_tensors(element) for element in elements)
    for other in others:
        first = first.concatenate(other)
    return first


def _map(plan: Plan, dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    parallelism = plan.map_parallelism
    mapped = dataset.map(
        tf.autograph.experimental.do_not_convert(function), num_parallel_calls=parallelism if parallelism > 1 else None
    )
    return with_options(plan, mapped)
