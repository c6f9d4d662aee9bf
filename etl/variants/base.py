"""What every variant has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etl.backbones.weights import Weights
from etl.cli import import_tensorflow
from etl.format.features import ImageSpec
from etl.variants.settings import Settings

# Of the feature that holds an image: bytes, or float32 numbers.
Value = bytes | np.ndarray


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as a variant stores it.

    Attributes:
        value: Of the encoding's feature; empty where `Encoder.finish` makes it.
        pixels: uint8, (height, width, 3): what a reader decodes `value` to, or what it was made of.
    """

    value: Value
    pixels: np.ndarray


class Encoder(ABC):
    """Makes values of whole image files of any format.

    Attributes:
        batch_size: Images that `finish` takes together; None where `encode` makes the value alone.
        weights_digest: Of the network that makes the values, "" where there is none.
    """

    batch_size: int | None = None
    weights_digest: str = ""

    @abstractmethod
    def encode(self, data: bytes) -> EncodedImage:
        """Encodes one file; threads call it together.

        Raises:
            RecordError: it can't be written.
        """

    def finish(self, images: Sequence[EncodedImage]) -> Sequence[Value]:
        """Makes the values of a batch, in order; one thread calls it."""
        return [image.value for image in images]


class Variant(ABC):
    """One form that images are stored in, a folder of a data set.

    Attributes:
        name: Of the folder, and on the command line.
        unit_size: Images in one unit of work; None where a unit is a whole shard.
    """

    name: ClassVar[str]
    unit_size: ClassVar[int | None] = None

    def check(self, config: Settings) -> None:
        """Checks the configuration of a run that writes this variant; called before it is complete.

        Raises:
            ConfigError: an option is missing.
        """
        del config

    def size(self, config: Settings) -> tuple[int, int] | None:
        """Returns (height, width) that images are resized to; None where each keeps its own."""
        return config.image_size

    @abstractmethod
    def image(self, config: Settings) -> ImageSpec:
        """Describes how images are stored."""

    @abstractmethod
    def open(self, config: Settings) -> Encoder:
        """Makes an encoder, which imports TensorFlow."""

    def keeps_files(self, config: Settings) -> bool:
        """Tells whether a plain JPEG takes as many bytes in a shard as in its own file."""
        del config
        return False

    def weights(self, config: Settings) -> Weights | None:
        """Returns the weights of the network that makes the values, where there is one."""
        del config
        return None

    def check_weights(self, config: Settings, *, load: bool) -> None:
        """Checks the network's weights before any work.

        Args:
            config: The run's configuration.
            load: Whether to load them, which tells weights of another network too; it takes TensorFlow.

        Raises:
            ConfigError: they can't be had.
        """
        del config, load

    def describe_network(self, config: Settings, weights_digests: Sequence[str]) -> Mapping[str, Any] | None:
        """Describes the network for the manifest, from the digests of the weights that its shards were made with."""
        del config, weights_digests
        return None


def make_decoder(config: Settings, size: tuple[int, int] | None) -> Callable[[bytes], np.ndarray]:
    """Returns the function from a whole image file to uint8 pixels, (height, width, 3), resized where a size is given.

    It raises `RecordError` for what can't be decoded.
    """
    # Late and quietly: plans and pipelines are made without TensorFlow wherever they can be.
    import_tensorflow()
    from etl.images import normalise

    if size is None:
        return lambda data: normalise.decode_rgb(data, max_pixels=config.max_pixels)
    height, width = size
    return lambda data: normalise.load_pixels(
        data, height=height, width=width, resize=config.resize, max_pixels=config.max_pixels
    )
