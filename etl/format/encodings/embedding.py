"""Embeddings of images; the images themselves are not stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from etl.errors import RecordError
from etl.format.encodings.base import Encoding, TfdsFeature
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.schema import EMBEDDING_SIZE

_FLOAT_BYTES = 4


class Embedding(Encoding):
    """A float32 vector of 1,280 numbers."""

    name = "none"
    feature = "image_embedding"
    has_images = False
    meaning = "what the network makes of the image"

    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Floats."""
        del image
        return FeatureSpec("float32", (EMBEDDING_SIZE,))

    def fixed_bytes(self, image: ImageSpec) -> int | None:
        """Four bytes a number."""
        del image
        return EMBEDDING_SIZE * _FLOAT_BYTES

    def to_array(self, features: Mapping[str, Any]) -> None:
        """Checks that all are numbers."""
        if not np.isfinite(features[self.feature]).all():
            raise RecordError("", "corrupt", "the embedding holds values that are no numbers")

    def describe(self, image: ImageSpec) -> str:
        """Of an image's size."""
        del image
        return "embedding of"

    def kind(self, image: ImageSpec) -> str:
        """Embeddings."""
        del image
        return "embeddings of images"

    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """A tensor."""
        return TfdsFeature("tensor", self.spec(image).shape, "float32", "none")

    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Shows the batch's shape."""
        (size,) = features[self.feature].shape
        readers = {self.feature: f"tf.io.FixedLenFeature([{size}], tf.float32)"}
        return readers, f'batch["{self.feature}"].shape'


ENCODING = Embedding()
