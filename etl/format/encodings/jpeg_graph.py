"""JPEG files in TensorFlow's graph."""

from __future__ import annotations

import tensorflow as tf

from etl.format.encodings import jpeg
from etl.format.encodings.graph import GraphEncoding
from etl.images.graph import decoding, windows


class JpegGraph(GraphEncoding):
    """Decodes plain upright JPEGs, or the one window that is wanted."""

    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Decodes; shards hold plain upright JPEGs only, so nothing looks for their orientation."""
        del shape
        return decoding.decode_plain_jpeg(value)

    def decode_window(
        self, value: tf.Tensor, shape: tf.Tensor, window: tuple[tf.Tensor, ...], size: tuple[int, int]
    ) -> tf.Tensor:
        """Decodes no more than the window needs."""
        del shape
        return windows.decode_window(value, window, size)


ENCODING = JpegGraph(jpeg.ENCODING.feature)
