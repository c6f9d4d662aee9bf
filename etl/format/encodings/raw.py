"""Pixels as bytes, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from etl.errors import RecordError
from etl.format.encodings.base import Encoding, TfdsFeature
from etl.format.features import FeatureSpec, ImageSpec


class Raw(Encoding):
    """uint8 pixels, red first, row by row, in one string."""

    name = "raw"
    meaning = "the pixels, row by row, red first, 0 to 255"

    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Bytes."""
        del image
        return FeatureSpec("bytes")

    def fixed_bytes(self, image: ImageSpec) -> int | None:
        """Three bytes a pixel."""
        return 3 * math.prod(image.size) if image.size else None

    def to_array(self, features: Mapping[str, Any]) -> np.ndarray:
        """Gives the bytes their shape."""
        return np.frombuffer(features[self.feature], np.uint8).reshape(check_shape(features, self.feature))

    def kind(self, image: ImageSpec) -> str:
        """Pixels of a dtype."""
        return f"pixels ({image.dtype})"

    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """A tensor of bytes."""
        return TfdsFeature("tensor", (*image.size, 3) if image.size else (None,), image.dtype, "bytes")

    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Gives the first its shape."""
        del features
        readers = {
            self.feature: "tf.io.FixedLenFeature([], tf.string)",
            "shape": "tf.io.FixedLenFeature([3], tf.int64)",
        }
        decoded = f'tf.io.decode_raw(batch["{self.feature}"][0], tf.uint8)'
        return readers, f'tf.reshape({decoded}, batch["shape"][0]).shape'


def check_shape(features: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Returns an example's shape, which its values must fill.

    Raises:
        RecordError: there are more or fewer.
    """
    shape = tuple(int(side) for side in features["shape"])
    if len(features[name]) != math.prod(shape):
        raise RecordError("", "corrupt", f"{len(features[name])} values for pixels of shape {shape}")
    return shape


ENCODING = Raw()
