"""The variants: from one file's bytes to what an example of each kind holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from etl import sources
from etl.cli import import_tensorflow
from etl.config import DEFAULT_JPEG_QUALITY, EtlConfig
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.schema import COMMON_FEATURES, EMBEDDING_SIZE
from etl.format.tfrecord import frame_record


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as a variant stores it.

    Attributes:
        value: Of the feature `image`: bytes, or float32 (height * width * 3,).
        pixels: uint8, (height, width, 3): what a reader decodes `value` to.
    """

    value: bytes | np.ndarray
    pixels: np.ndarray


def encoder(config: EtlConfig, variant: str) -> Callable[[bytes], EncodedImage]:
    """Returns the function that makes a variant's image from a whole file of any format.

    The function may be called from several threads at once and raises `RecordError` for what can't be written.
    """
    # Here alone, and quietly: plans and pipelines are made without TensorFlow wherever they can be.
    import_tensorflow()
    from etl.images import encode, normalise

    size = config.size_of(variant)
    quality = config.jpeg_quality or DEFAULT_JPEG_QUALITY

    def pixels(data: bytes) -> np.ndarray:
        if size is None:
            return normalise.decode_rgb(data, max_pixels=config.max_pixels)
        return normalise.load_pixels(
            data, height=size[0], width=size[1], resize=config.resize, max_pixels=config.max_pixels
        )

    def raw(data: bytes) -> EncodedImage:
        array = pixels(data)
        return EncodedImage(array.tobytes(), array)

    def float_list(data: bytes) -> EncodedImage:
        array = pixels(data)
        # As tf.image.convert_image_dtype does it, so that a reader finds the very same numbers.
        return EncodedImage(array.reshape(-1).astype(np.float32) * np.float32(1 / 255), array)

    def resized_jpeg(data: bytes) -> EncodedImage:
        array = pixels(data)
        return EncodedImage(encode.encode_jpeg(array, quality), array)

    def jpeg(data: bytes) -> EncodedImage:
        value, array = normalise.normalise_jpeg(data, max_pixels=config.max_pixels, quality=quality)
        return EncodedImage(value, array)

    if variant == "embedding":
        return raw
    if variant == "pixel":
        return raw if config.pixel_dtype == "uint8" else float_list
    return jpeg if size is None else resized_jpeg


def keeps_sizes(config: EtlConfig, variant: str) -> bool:
    """Tells whether a plain JPEG takes as many bytes in a variant's shards as in its own file."""
    return variant == "jpeg" and config.size_of(variant) is None and config.compression == "none"


def fixed_bytes(config: EtlConfig, variant: str) -> int | None:
    """Returns the bytes of every image of a variant, where they are the same for all; else None."""
    if config.compression != "none":
        return None
    if variant == "embedding":
        return 4 * EMBEDDING_SIZE
    size = config.size_of(variant)
    if variant != "pixel" or size is None:
        return None
    value_bytes = 1 if config.pixel_dtype == "uint8" else 4
    return 3 * size[0] * size[1] * value_bytes


def stored_bytes(image: EncodedImage, config: EtlConfig) -> int:
    """Returns the bytes that an encoded image takes in a shard, but for what surrounds it."""
    value = image.value if isinstance(image.value, bytes) else image.value.tobytes()
    if config.compression == "none":
        return len(value)
    return len(frame_record(value, compressed=True).deflated or b"")


def image_spec(config: EtlConfig, variant: str) -> ImageSpec:
    """Describes how a variant stores its images."""
    size = config.size_of(variant)
    if variant == "embedding":
        encoding, dtype = "none", "float32"
    elif variant == "jpeg":
        encoding, dtype = "jpeg", "uint8"
    else:
        encoding, dtype = ("raw", "uint8") if config.pixel_dtype == "uint8" else ("float_list", "float32")
    return ImageSpec(encoding, dtype, size, config.resize if size else None)


def features(config: EtlConfig, variant: str) -> Mapping[str, FeatureSpec]:
    """Describes all features of a variant's examples, by name."""
    extras = sources.source(config.source).extras(config.options)
    if variant == "embedding":
        own = {"image_embedding": FeatureSpec("float32", (EMBEDDING_SIZE,))}
    elif variant == "pixel" and config.pixel_dtype == "float32":
        own = {"image": FeatureSpec("float32", (None,))}
    else:
        own = {"image": FeatureSpec("bytes")}
    return dict(sorted({**own, **COMMON_FEATURES, **extras}.items()))
