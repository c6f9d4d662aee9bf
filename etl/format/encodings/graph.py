"""What every encoding does in TensorFlow's graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import tensorflow as tf

from etl.format.features import ImageSpec
from etl.images.graph import windows


class GraphEncoding(ABC):
    """Decodes what an encoding stores, one example or a whole batch at a time.

    Args:
        feature: The feature that holds the value.
    """

    def __init__(self, feature: str) -> None:
        self.feature = feature

    def open(self, parsed: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a parsed example's value and its shape, int64 (3,), from which a window can be drawn."""
        return parsed[self.feature], parsed["shape"]

    @abstractmethod
    def decode(self, value: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
        """Returns the whole image of what `open` gave, uint8 (H, W, 3)."""

    def decode_window(
        self, value: tf.Tensor, shape: tf.Tensor, window: tuple[tf.Tensor, ...], size: tuple[int, int]
    ) -> tf.Tensor:
        """Returns one window of it, resized: uint8 (*size, 3).

        Args:
            value: From `open`.
            shape: Likewise.
            window: Top, left, height and width, in pixels.
            size: (height, width) wanted.
        """
        return windows.cut_window(self.decode(value, shape), window, size)

    def decode_batch(self, values: tf.Tensor, image: ImageSpec) -> tf.Tensor:
        """Returns a whole batch, whose images have one size, without a loop over it.

        Args:
            values: (B,) or (B, N), as parsed.
            image: How they are stored.

        Returns:
            (B, H, W, 3), uint8 0 to 255 or float32 0 to 1 as stored; or float32 (B, N) of what is no image.
        """
        raise NotImplementedError(f"{type(self).__name__}: images of this encoding are decoded one by one")


def to_dtype(images: tf.Tensor, dtype: str) -> tf.Tensor:
    """Converts between uint8, 0 to 255, and float32, 0 to 1."""
    if images.dtype == dtype:
        return images
    if dtype == "uint8":
        return tf.cast(images * 255.0 + 0.5, tf.uint8)
    return tf.cast(images, tf.float32) / 255.0
