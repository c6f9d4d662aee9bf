"""Measures other ways to store the same images, on a few of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from etl.format import encodings, schema
from etl.format.encodings import jpeg, raw
from etl.format.features import ImageSpec
from etl.images.encode import encode_jpeg
from etl.images.graph import decoding
from trainer.doctor.findings import Alternative
from trainer.doctor.rates import combine
from trainer.doctor.sample import Sample
from trainer.doctor.stages import counted, decode_dataset, decode_step, parse_step
from trainer.doctor.timing import time_rate
from trainer.ingest.decode import needed_features
from trainer.ingest.plan import Plan

# Enough for a stable mean over sizes and contents; encoding them again takes half a second.
_NUM_IMAGES = 96
# Windows are drawn from images whose shorter side is 8/7 of theirs: the usual 256 for 224.
_MARGIN = 8 / 7
# What `etl.run` uses where it has to encode.
_QUALITY = 95
# Storing smaller is worth trying where there are so many more pixels than needed.
_MIN_AREA_RATIO = 1.5


def try_smaller_jpegs(sample: Sample, seconds: float) -> Alternative | None:
    """Encodes some of the JPEGs at about the size that is asked for, and times their decoding.

    Returns:
        None where they are hardly larger than that.
    """
    plan = sample.plan
    if plan.size is None or not holds_files(plan):
        return None
    height, width = (round(side * _MARGIN) if plan.is_windowed else side for side in plan.size)
    few = dataclasses.replace(sample, records=sample.records[:_NUM_IMAGES])
    parsed = few.parsed()
    if np.prod(parsed["shape"].numpy()[:, :2], axis=1).mean() < _MIN_AREA_RATIO * height * width:
        return None
    image = ImageSpec(jpeg.ENCODING.name, "uint8", (height, width), "crop")
    smaller = dataclasses.replace(plan, variant=dataclasses.replace(plan.variant, image=image))
    dataset = decode_dataset(smaller, _encode_again(plan, parsed, (height, width)))
    rate = time_rate(counted(dataset.repeat()), seconds)
    return Alternative("smaller_jpeg", plan.variant.name, (height, width), rate.median, plan.is_windowed)


def try_pixels(sample: Sample, images: Any, read_bytes_per_second: float, seconds: float) -> Alternative | None:
    """Stores a batch of images as pixels, and times parsing and decoding them.

    Args:
        sample: Of JPEGs.
        images: uint8, (B, H, W, 3): some of them, decoded.
        read_bytes_per_second: What reading shards gives here.
        seconds: For both measurements together.

    Returns:
        What reading, parsing and decoding give together; None for what is no JPEG.
    """
    plan = sample.plan
    if plan.size is None or not holds_files(plan):
        return None
    records = [_pixel_example(pixels) for pixels in np.asarray(images)]
    variant = dataclasses.replace(
        plan.variant, image=ImageSpec(raw.ENCODING.name, "uint8", plan.size, plan.resize), compression="none"
    )
    stored = dataclasses.replace(plan, variant=variant, is_batchwise=True, is_windowed=False)
    # Several copies of the batch: one would stay in the processor's cache.
    pixels = Sample(stored, records * 8, needed_features(stored))
    rates = [read_bytes_per_second / len(records[0])]
    for step in (parse_step(pixels), decode_step(pixels)):
        if step is not None:
            rates.append(time_rate(step, seconds / 2).median)
    return Alternative("pixels", "pixel", plan.size, combine(rates), is_windowed=False)


def same_images(plan: Plan) -> list[str]:
    """Returns the other variants that could give the same images: those of any JPEG, or of pixels in the same size."""
    names = []
    for name, variant in plan.manifest.variants.items():
        split = variant.splits.get(plan.split.name)
        fits = variant.encoding.is_file or (plan.size is not None and variant.image.size == plan.size)
        has_images = plan.size is not None and variant.encoding.has_images
        if name != plan.variant.name and has_images and fits and split is not None and split.num_examples:
            names.append(name)
    return names


def holds_files(plan: Plan) -> bool:
    """Tells whether the shards hold image files, which would be smaller or faster otherwise."""
    return plan.variant.encoding.is_file and not plan.variant.encoding.is_reference


def _encode_again(plan: Plan, parsed: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    decoder = encodings.in_graph(plan.variant.encoding.name)

    @tf.function(autograph=False)
    def resize(value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        return decoding.resize_image(decoder.decode(value, shape), *size, "crop")

    values = zip(parsed[decoder.feature], parsed["shape"], strict=True)
    images = [encode_jpeg(resize(value, shape).numpy(), _QUALITY) for value, shape in values]
    shapes = tf.constant([(*size, 3)] * len(images), tf.int64)
    return {**parsed, jpeg.ENCODING.feature: tf.constant(images), "shape": shapes}


def _pixel_example(pixels: np.ndarray) -> bytes:
    """Serialises an example as `etl.run` would; key and digest have the usual lengths."""
    return schema.encode_example(
        {
            "image": pixels.tobytes(),
            "key": "class/image.jpg",
            "label": "class",
            "label_int": 0,
            "shape": pixels.shape,
            "digest": "0" * 32,
        }
    )
