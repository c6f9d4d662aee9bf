"""Embeddings: MobileNetV2's features of each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etl import storage
from etl.backbones.weights import IMAGENET, Weights
from etl.cli import import_tensorflow
from etl.errors import ConfigError, DatasetError
from etl.format.encodings import embedding
from etl.format.features import ImageSpec
from etl.format.schema import EMBEDDING_IMAGE_SIZE
from etl.variants.base import EncodedImage, Encoder, Value, Variant, make_decoder
from etl.variants.settings import Settings

if TYPE_CHECKING:
    from etl.variants.network import Network

_OPTION = "--embedding_weights"


class Embedding(Variant):
    """Embeddings of images that are resized to what the network was trained with."""

    name = "embedding"
    # So that small data sets still spread over a cluster: an embedding costs more to make than to move.
    unit_size = 256

    def check(self, config: Settings) -> None:
        """A network needs weights."""
        if config.embedding_weights is None:
            raise ConfigError(
                _OPTION, None, "imagenet or a file of weights", "the embedding variant needs a network's weights"
            )

    def size(self, config: Settings) -> tuple[int, int]:
        """Returns the network's."""
        del config
        return EMBEDDING_IMAGE_SIZE

    def image(self, config: Settings) -> ImageSpec:
        """Vectors."""
        return ImageSpec(embedding.ENCODING.name, "float32", self.size(config), config.resize)

    def open(self, config: Settings) -> Encoder:
        """Makes an encoder with this process's network."""
        return _EmbeddingEncoder(make_decoder(config, self.size(config)), _load_network(config))

    def weights(self, config: Settings) -> Weights:
        """Returns those of the configuration."""
        return Weights(config.embedding_weights, _OPTION, storage.read_bytes)

    def check_weights(self, config: Settings, *, load: bool) -> None:
        """Checks that they are there, or loads them."""
        path = config.embedding_weights or ""
        if load:
            _load_network(config)
        elif path != IMAGENET and not storage.exists(path):
            raise ConfigError(_OPTION, path, "a file that is there")

    def describe_network(self, config: Settings, weights_digests: Sequence[str]) -> Mapping[str, Any]:
        """Describes it.

        Raises:
            DatasetError: shards were made by different ones.
        """
        digests = {digest for digest in weights_digests if digest}
        if len(digests) != 1:
            raise DatasetError(f"the embeddings come from {len(digests)} networks of different weights")
        return {
            "model": "MobileNetV2",
            "alpha": config.embedding_alpha,
            "weights": config.embedding_weights,
            "weights_sha256": digests.pop(),
        }


class _EmbeddingEncoder(Encoder):
    def __init__(self, decode: Callable[[bytes], np.ndarray], network: Network) -> None:
        self._decode, self._network = decode, network
        self.batch_size = network.batch_size
        self.weights_digest = network.weights_digest

    def encode(self, data: bytes) -> EncodedImage:
        return EncodedImage(b"", self._decode(data))

    def finish(self, images: Sequence[EncodedImage]) -> Sequence[Value]:
        return list(self._network.embed(np.stack([image.pixels for image in images])))


def _load_network(config: Settings) -> Network:
    import_tensorflow()
    from etl.variants import network

    return network.load(config.embedding_weights or "", config.embedding_alpha)


VARIANT = Embedding()
