"""Pixels, as bytes or as floats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from etl.errors import ConfigError
from etl.format.encodings import float_list, raw
from etl.format.features import ImageSpec
from etl.variants.base import EncodedImage, Encoder, Value, Variant, make_decoder
from etl.variants.settings import Settings


class Pixel(Variant):
    """Decoded pixels: uint8 of one size, or float32 as the chapter of the book has them."""

    name = "pixel"

    def check(self, config: Settings) -> None:
        """Bytes need a size."""
        if config.pixel_dtype == "uint8" and config.image_size is None:
            raise ConfigError(
                "--image_size",
                None,
                "a size for pixels of uint8, whose images all have the same",
                "try --image_size 224",
            )

    def image(self, config: Settings) -> ImageSpec:
        """Bytes or floats."""
        encoding = raw.ENCODING if config.pixel_dtype == "uint8" else float_list.ENCODING
        return ImageSpec(
            encoding.name, config.pixel_dtype, config.image_size, config.resize if config.image_size else None
        )

    def open(self, config: Settings) -> Encoder:
        """Makes an encoder for the configuration's dtype."""
        return _PixelEncoder(
            make_decoder(config, self.size(config)), _to_bytes if config.pixel_dtype == "uint8" else _to_floats
        )


class _PixelEncoder(Encoder):
    def __init__(self, decode: Callable[[bytes], np.ndarray], store: Callable[[np.ndarray], Value]) -> None:
        self._decode, self._store = decode, store

    def encode(self, data: bytes) -> EncodedImage:
        pixels = self._decode(data)
        return EncodedImage(self._store(pixels), pixels)


def _to_bytes(pixels: np.ndarray) -> bytes:
    return pixels.tobytes()


def _to_floats(pixels: np.ndarray) -> np.ndarray:
    # As tf.image.convert_image_dtype does it, so that a reader finds the very same numbers.
    return pixels.reshape(-1).astype(np.float32) * np.float32(1 / 255)


VARIANT = Pixel()
