"""From serialised examples to what the model takes, a whole batch or one example at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from etl.format import encodings, schema
from etl.format.encodings.graph import to_dtype
from etl.format.features import FeatureSpec
from etl.images.graph import decoding, windows
from trainer.ingest import order
from trainer.ingest.plan import Plan


def batch_decoder(plan: Plan) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the function for whole batches: of embeddings, and of pixels that are stored in the size wanted.

    Returns:
        From serialised examples, string (B,), to images, (B, H, W, 3) in the configuration's dtype, or embeddings,
        float32 (B, 1280); and int32 labels, (B,).
    """
    features = needed_features(plan)

    def decode(serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if plan.config.drop_remainder:
            serialised = serialised[: tf.size(serialised) // plan.config.batch_size * plan.config.batch_size]
        parsed = schema.parse_batch(serialised, features)
        return decode_batch(plan, parsed), tf.cast(parsed["label_int"], tf.int32)

    return decode


def example_decoder(plan: Plan) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Returns the function for single examples: image files, and pixels in another size than the one wanted.

    Returns:
        From an epoch, int64 scalar, and a serialised example, string scalar, to an image, (H, W, 3) in the
        configuration's dtype, or an embedding, float32 (1280,); its int32 label; and whether it is an example at all:
        the empty string stands for padding.
    """
    shape = (schema.EMBEDDING_SIZE,) if plan.size is None else (*plan.size, 3)
    dtype = tf.float32 if plan.size is None else tf.dtypes.as_dtype(plan.config.dtype)
    features = schema.feature_spec(needed_features(plan))

    def decode(epoch: tf.Tensor, serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_single_example(serialised, features)
        value = decode_one(plan, epoch, parsed)
        return tf.ensure_shape(value, shape), tf.cast(parsed["label_int"], tf.int32), tf.constant(True)

    def decode_or_pad(epoch: tf.Tensor, serialised: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        result: tuple[tf.Tensor, tf.Tensor, tf.Tensor] = tf.cond(
            tf.strings.length(serialised) > 0,
            lambda: decode(epoch, serialised),
            lambda: (tf.zeros(shape, dtype), tf.constant(0), tf.constant(False)),
        )
        return result

    return decode_or_pad if plan.num_padding else decode


def needed_features(plan: Plan) -> dict[str, FeatureSpec]:
    """Returns the features of an example that are decoded, by name."""
    encoding, common = plan.variant.encoding, schema.COMMON_FEATURES
    features = {encoding.feature: encoding.spec(plan.variant.image), "label_int": common["label_int"]}
    # Of a file elsewhere only decoding tells the shape.
    if not plan.is_batchwise and not encoding.is_reference:
        features["shape"] = common["shape"]
    if plan.is_windowed:
        features["key"] = common["key"]
    return features


def decode_batch(plan: Plan, parsed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Decodes a batch whose images are stored in the size wanted.

    Args:
        plan: How it is read.
        parsed: `needed_features`, one row an example.

    Returns:
        (B, H, W, 3) in the configuration's dtype, or embeddings, float32 (B, 1280).
    """
    decoder = encodings.in_graph(plan.variant.encoding.name)
    values = decoder.decode_batch(parsed[decoder.feature], plan.variant.image)
    return values if plan.size is None else to_dtype(values, plan.config.dtype)


def decode_one(plan: Plan, epoch: tf.Tensor, parsed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Decodes, crops and resizes one image.

    Args:
        plan: How it is read.
        epoch: int64 scalar, for the random window.
        parsed: `needed_features` of one example.

    Returns:
        (H, W, 3) in the configuration's dtype, or an embedding, float32 (1280,).
    """
    decoder = encodings.in_graph(plan.variant.encoding.name)
    value, shape = decoder.open(parsed)
    if plan.size is None:
        return decoder.decode(value, shape)
    if plan.is_windowed:
        seed = order.record_seed(plan, "window", epoch, parsed["key"])
        window = windows.draw_window(shape, seed, plan.config.crop_area, plan.config.crop_ratio)
        image = decoder.decode_window(value, shape, window, plan.size)
    else:
        image = decoder.decode(value, shape)
        if plan.variant.image.size != plan.size:
            image = decoding.resize_image(image, *plan.size, plan.resize)
    return to_dtype(image, plan.config.dtype)
