"""The variants: the forms that images are stored in. One module each, found here by name.

A new one is a module with a `Variant`, and a line in `VARIANTS`; where its examples hold images in a way of their own,
also an encoding (`etl.format.encodings`).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping

from etl.format import encodings
from etl.format.features import FeatureSpec
from etl.format.schema import COMMON_FEATURES
from etl.format.tfrecord import frame_record
from etl.variants.base import EncodedImage, Variant
from etl.variants.settings import Settings

# Name on the command line -> module.
VARIANTS: dict[str, str] = {
    "jpeg": "etl.variants.jpeg",
    "pixel": "etl.variants.pixel",
    "embedding": "etl.variants.embedding",
}


@functools.cache
def find(name: str) -> Variant:
    """Returns a variant of `VARIANTS`."""
    variant: Variant = importlib.import_module(VARIANTS[name]).VARIANT
    return variant


def chosen(config: Settings) -> list[Variant]:
    """Returns the variants that a run writes."""
    return [find(name) for name in config.variants]


def features(config: Settings, name: str, extras: Mapping[str, FeatureSpec]) -> Mapping[str, FeatureSpec]:
    """Describes all features of a variant's examples, by name.

    Args:
        config: The run's configuration.
        name: The variant's.
        extras: What the source adds.
    """
    image = find(name).image(config)
    encoding = encodings.of(image)
    own = {encoding.feature: encoding.stored_spec(image)}
    return dict(sorted({**own, **COMMON_FEATURES, **extras}.items()))


def fixed_bytes(config: Settings, name: str) -> int | None:
    """Returns the bytes of every image of a variant in a shard, where they are the same for all; else None."""
    image = find(name).image(config)
    return encodings.of(image).fixed_bytes(image) if config.compression == "none" else None


def stored_bytes(image: EncodedImage, config: Settings) -> int:
    """Returns the bytes that an encoded image takes in a shard, but for what surrounds it."""
    value = image.value if isinstance(image.value, bytes) else image.value.tobytes()
    if config.compression == "none":
        return len(value)
    return len(frame_record(value, compressed=True).deflated or b"")
