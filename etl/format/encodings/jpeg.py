"""JPEG files, as they were or encoded anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from etl.errors import RecordError
from etl.format.encodings.base import Encoding, TfdsFeature
from etl.format.features import FeatureSpec, ImageSpec


class Jpeg(Encoding):
    """An upright grey or RGB JPEG."""

    name = "jpeg"
    is_file = True
    meaning = "a JPEG file"

    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Bytes."""
        del image
        return FeatureSpec("bytes")

    def to_array(self, features: Mapping[str, Any]) -> np.ndarray:
        """Decodes the file with TensorFlow, as readers do, and checks it."""
        # It imports TensorFlow, which other users of this module do without.
        from etl.images import normalise

        return normalise.verify_jpeg(features[self.feature])

    def preview(self, value: Any, shape: tuple[int, int, int], side: int) -> np.ndarray | None:
        """Decodes a fraction of the pixels of a large file, without TensorFlow."""
        from PIL.JpegImagePlugin import JpegImageFile

        from etl.images.pillow import turn
        from etl.images.sniff import sniff

        data = bytes(value)
        try:
            # The plugin itself: `Image.open` would refuse a size that the operator may have allowed.
            with JpegImageFile(io.BytesIO(data)) as image:
                image.draft("RGB", (2 * side, 2 * side))
                return turn(np.asarray(image.convert("RGB")), sniff(data).orientation)
        except (OSError, SyntaxError, ValueError, RecordError):
            return None

    def kind(self, image: ImageSpec) -> str:
        """JPEG files."""
        del image
        return "JPEG files"

    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """An image."""
        return TfdsFeature("image", (*(image.size or (None, None)), 3), "uint8", "jpeg")

    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Decodes the first."""
        del features
        readers = {self.feature: "tf.io.FixedLenFeature([], tf.string)"}
        return readers, f'tf.io.decode_jpeg(batch["{self.feature}"][0]).shape'


ENCODING = Jpeg()
