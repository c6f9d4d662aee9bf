"""Pixels as floats in TensorFlow's graph."""

from __future__ import annotations

import tensorflow as tf

from etl.format.encodings import float_list
from etl.format.encodings.graph import GraphEncoding, to_dtype
from etl.format.features import ImageSpec


class FloatListGraph(GraphEncoding):
    """Gives a list the shape of an image."""

    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns the pixels of one image, rounded."""
        return to_dtype(tf.reshape(value, shape), "uint8")

    def decode_batch(self, values: tf.Tensor, image: ImageSpec) -> tf.Tensor:
        """Returns the pixels of a batch, as they are stored."""
        return tf.reshape(values, (-1, *(image.size or (None, None)), 3))


ENCODING = FloatListGraph(float_list.ENCODING.feature)
