"""Pixels as a list of floats, as the chapter of the book stores them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from etl.format.encodings.base import Encoding, TfdsFeature
from etl.format.encodings.raw import check_shape
from etl.format.features import FeatureSpec, ImageSpec

_FLOAT_BYTES = 4


class FloatList(Encoding):
    """float32 pixels in [0, 1], red first, row by row, in one list."""

    name = "float_list"
    has_floats = True
    meaning = "the pixels in [0, 1], row by row, red first"

    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Floats, of a known length if there is one: a list of any length costs another copy and its row splits."""
        return FeatureSpec("float32", (3 * math.prod(image.size) if image.size else None,))

    def stored_spec(self, image: ImageSpec) -> FeatureSpec:
        """Floats of any length."""
        del image
        return FeatureSpec("float32", (None,))

    def fixed_bytes(self, image: ImageSpec) -> int | None:
        """Twelve bytes a pixel."""
        return 3 * math.prod(image.size) * _FLOAT_BYTES if image.size else None

    def to_array(self, features: Mapping[str, Any]) -> np.ndarray:
        """Rounds to uint8."""
        shape = check_shape(features, self.feature)
        rounded: np.ndarray = np.rint(np.clip(features[self.feature], 0, 1) * 255).astype(np.uint8)
        return rounded.reshape(shape)

    def kind(self, image: ImageSpec) -> str:
        """Pixels of a dtype."""
        return f"pixels ({image.dtype})"

    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """A tensor."""
        return TfdsFeature("tensor", (*image.size, 3) if image.size else (None,), image.dtype, "none")

    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Gives the first its shape."""
        del features
        readers = {self.feature: "tf.io.RaggedFeature(tf.float32)", "shape": "tf.io.FixedLenFeature([3], tf.int64)"}
        return readers, f'tf.reshape(batch["{self.feature}"][0], batch["shape"][0]).shape'


ENCODING = FloatList()
