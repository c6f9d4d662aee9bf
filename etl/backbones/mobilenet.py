"""MobileNetV2 without its top: the network that makes the embeddings, and that images are classified with.

Both must get the same one from the same words, so it is built here for both.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable

import keras
import numpy as np

from etl.backbones.weights import IMAGENET, Weights
from etl.errors import ConfigError
from etl.format.schema import EMBEDDING_IMAGE_SIZE

# Smaller images leave nothing after five halvings.
_MIN_SIDE = 32


def build(
    weights: Weights, alpha: float, image_size: tuple[int, int] = EMBEDDING_IMAGE_SIZE, pooling: str | None = "avg"
) -> keras.Model:
    """Builds the network.

    Args:
        weights: Where its weights come from.
        alpha: Its width, one of `ALPHAS`.
        image_size: (height, width), 32 or more each. The weights are those for 224x224 whatever it is: Keras has
            others for some sizes, and an image's features would then hang on how it was cropped.
        pooling: `avg` for the mean over all places; None for the places themselves.

    Returns:
        From float32 images (B, height, width, 3) in [-1, 1] to float32 features, (B, 1280) or, without pooling,
        (B, height / 32, width / 32, 1280). Its layers have the names that Keras gives them.

    Raises:
        ConfigError: the weights can't be had, or are those of another network; the images are too small.
    """
    if min(image_size) < _MIN_SIDE:
        raise ConfigError(
            "--image_size",
            f"{image_size[0]}x{image_size[1]}",
            f"at least {_MIN_SIDE}x{_MIN_SIDE} pixels for MobileNetV2",
        )

    def make(path: str | None, size: tuple[int, int] = image_size) -> keras.Model:
        return keras.applications.MobileNetV2(
            input_shape=(*size, 3), alpha=alpha, include_top=False, weights=path, pooling=pooling
        )

    if weights.source is None:
        return make(None)
    if weights.source == IMAGENET:
        try:
            network = make(IMAGENET, EMBEDDING_IMAGE_SIZE)
        # Keras downloads them at the first use, and wraps whatever went wrong.
        except Exception as error:
            raise ConfigError(
                weights.option,
                IMAGENET,
                "a machine on which Keras can download them",
                "or give a file of weights",
            ) from error
        if image_size == EMBEDDING_IMAGE_SIZE:
            return network
        resized = make(None)
        resized.set_weights(network.get_weights())
        return resized
    return _load(make, weights.source, weights, alpha)


def _load(make: Callable[[str], keras.Model], path: str, weights: Weights, alpha: float) -> keras.Model:
    try:
        if "://" not in path:
            return make(path)
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, os.path.basename(path))
            with open(local, "wb") as file:
                file.write(weights.read_bytes(path))
            return make(local)
    # A KeyError is how h5py says that a file of its format holds no weights.
    except (OSError, ValueError, KeyError) as error:
        expected = f"a file of MobileNetV2 weights, alpha {alpha}, without its top"
        raise ConfigError(weights.option, path, expected) from error


def digest(model: keras.Model) -> str:
    """Returns the SHA-256 of all weights of a network, in order, whatever file they came from: 64 hex characters."""
    sha256 = hashlib.sha256()
    for array in model.get_weights():
        sha256.update(np.ascontiguousarray(array, "<f4").tobytes())
    return sha256.hexdigest()
