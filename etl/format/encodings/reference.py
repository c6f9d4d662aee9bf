"""Addresses of image files outside the shard, as managed data sets have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl.format.encodings.base import Encoding, TfdsFeature
from etl.format.features import FeatureSpec, ImageSpec


class Reference(Encoding):
    """The path of an image file of any format; it is opened when it is decoded."""

    name = "reference"
    feature = "uri"
    is_file = True
    is_reference = True
    meaning = "the path of an image file"

    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Bytes."""
        del image
        return FeatureSpec("bytes")

    def to_array(self, features: Mapping[str, Any]) -> None:
        """Leaves the file closed."""
        del features

    def kind(self, image: ImageSpec) -> str:
        """Paths."""
        del image
        return "paths of image files"

    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """A string."""
        del image
        return TfdsFeature("tensor", (), "string", "none")

    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Shows the paths."""
        del features
        return {self.feature: "tf.io.FixedLenFeature([], tf.string)"}, f'batch["{self.feature}"].shape'


ENCODING = Reference()
