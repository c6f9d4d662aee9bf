"""What every encoding has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etl.format.features import FeatureSpec, ImageSpec


@dataclass(frozen=True, slots=True)
class TfdsFeature:
    """A feature as TensorFlow Datasets describes it.

    Attributes:
        kind: `image` or `tensor`.
        shape: Of what TFDS decodes it to.
        dtype: Likewise.
        encoding: The file format of an `image`; `bytes` or `none` of a `tensor`.
    """

    kind: str
    shape: Sequence[int | None]
    dtype: str
    encoding: str


class Encoding(ABC):
    """How an example holds its image, or what stands for it.

    Attributes:
        name: In the manifest.
        feature: The feature that holds it.
        has_images: Whether pixels can be had from it; an embedding has none.
        is_file: Whether it is an image file, which is decoded, cropped and resized in any size.
        is_reference: Whether the file lies outside the shard.
        has_floats: Whether pixels are stored as floats, which take four times the bytes.
        meaning: What the feature holds, in a few words.
    """

    name: ClassVar[str]
    feature: ClassVar[str] = "image"
    has_images: ClassVar[bool] = True
    is_file: ClassVar[bool] = False
    is_reference: ClassVar[bool] = False
    has_floats: ClassVar[bool] = False
    meaning: ClassVar[str]

    @abstractmethod
    def spec(self, image: ImageSpec) -> FeatureSpec:
        """Returns how a reader parses the feature: of a known length where there is one."""

    def stored_spec(self, image: ImageSpec) -> FeatureSpec:
        """Returns how the manifest describes the feature."""
        return self.spec(image)

    def fixed_bytes(self, image: ImageSpec) -> int | None:
        """Returns the bytes of every value, where they are the same for all; else None."""
        del image
        return None

    @abstractmethod
    def to_array(self, features: Mapping[str, Any]) -> np.ndarray | None:
        """Decodes an example's image, and checks it.

        Args:
            features: Of one example, parsed: the encoding's own and `shape`.

        Returns:
            uint8, (height, width, 3); None where there is none.

        Raises:
            RecordError: it can't be decoded, has another number of values than its shape says, or is no number.
        """

    def preview(self, value: Any, shape: tuple[int, int, int], side: int) -> np.ndarray | None:
        """Decodes a small copy for a thumbnail, upright: uint8, its longer side a few times `side`, never much less.

        None where the value is damaged.
        """
        pixels = self.to_array({self.feature: value, "shape": shape})
        if pixels is None:
            return None
        stride = max(1, max(pixels.shape) // (4 * side))
        return pixels[::stride, ::stride]

    def describe(self, image: ImageSpec) -> str:
        """Returns a word for tables, before the images' size: `jpeg`."""
        del image
        return self.name

    @abstractmethod
    def kind(self, image: ImageSpec) -> str:
        """Returns what is stored, in words: `JPEG files`."""

    @abstractmethod
    def tfds(self, image: ImageSpec) -> TfdsFeature:
        """Describes the feature for TensorFlow Datasets."""

    @abstractmethod
    def snippet(self, features: Mapping[str, FeatureSpec]) -> tuple[dict[str, str], str]:
        """Returns lines of a Python program that reads a batch with TensorFlow alone.

        Args:
            features: Of the variant.

        Returns:
            Feature to the expression that parses it; the expression for a shape, of `batch`.
        """
