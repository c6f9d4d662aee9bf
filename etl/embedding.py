"""The embedding variant: MobileNetV2's features of each image, computed in batches.

One network a worker process. Batches are cut from a unit's images in their fixed order, so that any number of workers
computes the same.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable

import numpy as np

from etl import storage
from etl.errors import ConfigError
from etl.schema import EMBEDDING_IMAGE_SIZE

# Images that go through the network together. Larger ones are no faster on a CPU and hold more pixels in memory.
BATCH_SIZE = 64

_lock = threading.Lock()


class Network:
    """MobileNetV2 without its top, with global average pooling.

    Args:
        weights: `imagenet`, or a file of Keras weights, local or on an object store.
        alpha: The network's width.

    Raises:
        ConfigError: the weights can't be had, or are those of another network.
    """

    def __init__(self, weights: str, alpha: float) -> None:
        import tensorflow as tf

        model = _build(weights, alpha)
        shape = (None, *EMBEDDING_IMAGE_SIZE, 3)
        self.weights_digest = _digest(model.get_weights())

        # The network's own scaling, keras.applications.mobilenet_v2.preprocess_input: [-1, 1].
        self._call: Callable[[np.ndarray], tf.Tensor] = tf.function(
            lambda images: model(tf.cast(images, tf.float32) / 127.5 - 1.0, training=False),
            input_signature=[tf.TensorSpec(shape, tf.uint8)],
            autograph=False,
        )

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Computes features.

        Args:
            images: uint8, (B, 224, 224, 3).

        Returns:
            float32, (B, 1280).
        """
        features: np.ndarray = self._call(images).numpy()
        return features


def network(weights: str, alpha: float) -> Network:
    """Returns this process's network, built at the first call."""
    with _lock:
        return _network(weights, alpha)


@functools.lru_cache(maxsize=1)
def _network(weights: str, alpha: float) -> Network:
    return Network(weights, alpha)


def _build(weights: str, alpha: float):  # type: ignore[no-untyped-def]
    import keras

    def make(path: str):  # type: ignore[no-untyped-def]
        return keras.applications.MobileNetV2(
            input_shape=(*EMBEDDING_IMAGE_SIZE, 3), alpha=alpha, include_top=False, weights=path, pooling="avg"
        )

    if weights == "imagenet":
        try:
            return make("imagenet")
        # Keras downloads them at the first use, and wraps whatever went wrong.
        except Exception as error:
            raise ConfigError(
                "--embedding_weights", weights, "a network from which Keras can download them", "or give a local file"
            ) from error
    try:
        if storage.is_local(weights):
            return make(weights)
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, os.path.basename(weights))
            with open(local, "wb") as file:
                file.write(storage.read_bytes(weights))
            return make(local)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "--embedding_weights", weights, f"a file of MobileNetV2 weights, alpha {alpha}, without its top"
        ) from error


def _digest(arrays: list[np.ndarray]) -> str:
    """Returns the SHA-256 of all weights, in order, whatever file they came from."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(np.ascontiguousarray(array, "<f4").tobytes())
    return sha256.hexdigest()
