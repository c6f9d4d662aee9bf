"""The features of an example: their types and shapes, how images are stored, and the values that a source may add."""

from __future__ import annotations

from dataclasses import dataclass

# What a source may add to each example: bytes, text, whole numbers or real numbers.
ExtraValue = bytes | str | int | float | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """How one feature of an example is stored.

    Attributes:
        dtype: `bytes`, `int64` or `float32`.
        shape: `()` for one value, `(4,)` for four, `(None,)` for any number.
        optional: An absent value is stored as an empty list.
    """

    dtype: str
    shape: tuple[int | None, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How a variant stores its images.

    Attributes:
        encoding: A key of `etl.format.encodings.ENCODINGS`.
        dtype: Of the decoded pixels: `uint8`, 0 to 255, or `float32`, 0 to 1.
        size: (height, width) where all images have the same, else None.
        resize: `pad`, `crop` or `stretch` where the images were resized, else None.
    """

    encoding: str
    dtype: str
    size: tuple[int, int] | None = None
    resize: str | None = None
