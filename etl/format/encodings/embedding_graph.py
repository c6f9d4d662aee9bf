"""Embeddings in TensorFlow's graph."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from etl.format.encodings import embedding
from etl.format.encodings.graph import GraphEncoding
from etl.format.features import ImageSpec


class EmbeddingGraph(GraphEncoding):
    """Passes vectors on."""

    def open(self, parsed: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the vector and its shape."""
        value = parsed[self.feature]
        return value, tf.shape(value, tf.int64)

    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns the vector."""
        del shape
        return value

    def decode_batch(self, values: tf.Tensor, image: ImageSpec) -> tf.Tensor:
        """Returns the vectors."""
        del image
        return values


ENCODING = EmbeddingGraph(embedding.ENCODING.feature)
