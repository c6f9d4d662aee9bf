"""Decodes serialised examples into model inputs, a whole batch or one example at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from etl.format import schema
from etl.format.features import FeatureSpec
from etl.images.graph import decoding
from trainer.ingest import managed, order, windows
from trainer.ingest.plan import Plan

_LABEL = FeatureSpec("int64")
_BYTES = FeatureSpec("bytes")


def batch_decoder(plan: Plan) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the function for whole batches: of embeddings, and of pixels that are stored in the size wanted.

    Returns:
        From serialised examples, string (B,), to images, (B, H, W, 3) in the configuration's dtype, or embeddings,
        float32 (B, 1280); and int32 labels, (B,).
    """
    name, stored = _stored_feature(plan)

    def decode(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if plan.config.drop_remainder:
            serialised = serialised[: tf.size(serialised) // plan.config.batch_size * plan.config.batch_size]
        parsed = schema.parse_batch(serialised, {name: stored, "label_int": _LABEL})
        values = parsed[name]
        if plan.variant.image.encoding == "raw":
            values = tf.io.decode_raw(values, tf.uint8)
        if plan.size is not None:
            values = _to_dtype(tf.reshape(values, (-1, *plan.size, 3)), plan.config.dtype)
        return values, tf.cast(parsed["label_int"], tf.int32)

    return decode


def example_decoder(plan: Plan) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns the function for single examples: JPEG, and pixels in another size than the one wanted.

    Returns:
        From an epoch, int64 scalar, and a serialised example, string scalar, to an image, (H, W, 3) in the
        configuration's dtype, or an embedding, float32 (1280,); its int32 label; and whether it is an example at all:
        the empty string stands for padding.
    """
    shape = (schema.EMBEDDING_SIZE,) if plan.size is None else (*plan.size, 3)
    dtype = tf.float32 if plan.size is None else tf.dtypes.as_dtype(plan.config.dtype)

    def decode(epoch: tf.Tensor, serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        value, label = _decode_one(plan, epoch, serialised)
        return tf.ensure_shape(value, shape), label, tf.constant(True)

    def decode_or_pad(epoch: tf.Tensor, serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        result: tuple[tf.Tensor, tf.Tensor, tf.Tensor] = tf.cond(
            tf.strings.length(serialised) > 0,
            lambda: decode(epoch, serialised),
            lambda: (tf.zeros(shape, dtype), tf.constant(0), tf.constant(False)),
        )
        return result

    return decode_or_pad if plan.num_padding else decode


def _decode_one(plan: Plan, epoch: tf.Tensor, serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    name, stored = _stored_feature(plan)
    is_reference = plan.variant.image.encoding == managed.ENCODING
    wanted = {name: stored, "label_int": _LABEL}
    if not is_reference:
        wanted["shape"] = schema.COMMON_FEATURES["shape"]
    if plan.is_windowed:
        wanted["key"] = _BYTES
    parsed = tf.io.parse_single_example(serialised, schema.feature_spec(wanted))
    label = tf.cast(parsed["label_int"], tf.int32)
    value = parsed[name]
    if plan.size is None:
        return value, label
    shape = parsed.get("shape")
    if is_reference:
        value = decoding.decode_rgb(tf.io.read_file(value))
        shape = tf.shape(value, tf.int64)
    window = None
    if plan.is_windowed:
        seed = order.record_seed(plan, "window", epoch, parsed["key"])
        window = windows.draw_window(shape, seed, plan.config.crop_area, plan.config.crop_ratio)
    if plan.variant.image.encoding == "jpeg":
        image = _decode_jpeg(plan, value, window)
    else:
        image = _decode_pixels(plan, value, shape, window)
    return _to_dtype(image, plan.config.dtype), label


def _decode_jpeg(plan: Plan, data: tf.Tensor, window: tuple[tf.Tensor, ...] | None) -> tf.Tensor:
    if window is not None and plan.size is not None:
        return windows.decode_window(data, window, plan.size)
    # Shards hold plain upright JPEG only, so the walk through the file for its orientation is left out.
    return _resize(plan, decoding.decode_plain_jpeg(data))


def _decode_pixels(plan: Plan, value: tf.Tensor, shape: tf.Tensor, window: tuple[tf.Tensor, ...] | None) -> tf.Tensor:
    if plan.variant.image.encoding == "raw":
        value = tf.io.decode_raw(value, tf.uint8)
    # What was opened as a file has its shape already, and keeps it.
    pixels = _to_dtype(tf.reshape(value, shape), "uint8")
    if window is not None and plan.size is not None:
        return windows.cut_window(pixels, window, plan.size)
    return _resize(plan, pixels)


def _resize(plan: Plan, image: tf.Tensor) -> tf.Tensor:
    if plan.size is None or plan.variant.image.size == plan.size:
        return image
    return decoding.resize_image(image, *plan.size, plan.resize)


def _stored_feature(plan: Plan) -> tuple[str, FeatureSpec]:
    """Returns the name of the feature that holds what is wanted, and how it is parsed."""
    image = plan.variant.image
    if image.encoding == managed.ENCODING:
        return "uri", _BYTES
    if image.encoding == "none":
        return "image_embedding", FeatureSpec("float32", (schema.EMBEDDING_SIZE,))
    if image.encoding == "float_list":
        # Of a known length, if there is one: a list of any length costs another copy and its row splits.
        length = 3 * math.prod(image.size) if image.size else None
        return "image", FeatureSpec("float32", (length,))
    return "image", _BYTES


def _to_dtype(images: tf.Tensor, dtype: str) -> tf.Tensor:
    """Converts between uint8, 0 to 255, and float32, 0 to 1."""
    if images.dtype == dtype:
        return images
    if dtype == "uint8":
        return tf.cast(images * 255.0 + 0.5, tf.uint8)
    return tf.cast(images, tf.float32) / 255.0
