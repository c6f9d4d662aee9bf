"""Image files outside the shard in TensorFlow's graph."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from etl.format.encodings import reference
from etl.format.encodings.graph import GraphEncoding
from etl.images.graph import decoding


class ReferenceGraph(GraphEncoding):
    """Opens a file and decodes it, whatever its format."""

    def open(self, parsed: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the file's pixels and their shape, which only decoding tells."""
        pixels = decoding.decode_rgb(tf.io.read_file(parsed[self.feature]))
        return pixels, tf.shape(pixels, tf.int64)

    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns the pixels."""
        del shape
        return value


ENCODING = ReferenceGraph(reference.ENCODING.feature)
