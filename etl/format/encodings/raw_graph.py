"""Pixels as bytes in TensorFlow's graph."""

from __future__ import annotations

import tensorflow as tf

from etl.format.encodings import raw
from etl.format.encodings.graph import GraphEncoding
from etl.format.features import ImageSpec


class RawGraph(GraphEncoding):
    """Gives bytes the shape of an image."""

    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns the pixels of one image."""
        return tf.reshape(tf.io.decode_raw(value, tf.uint8), shape)

    def decode_batch(self, values: tf.Tensor, image: ImageSpec) -> tf.Tensor:
        """Returns the pixels of a batch."""
        return tf.reshape(tf.io.decode_raw(values, tf.uint8), (-1, *(image.size or (None, None)), 3))


ENCODING = RawGraph(raw.ENCODING.feature)
