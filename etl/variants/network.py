"""The network of the embedding variant: MobileNetV2's features of each image, computed in batches.

One network a worker process. Batches are cut from a unit's images in their fixed order, so that any number of workers
computes the same.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from etl import storage
from etl.backbones import mobilenet
from etl.backbones.weights import IMAGENET, Weights
from etl.format.schema import EMBEDDING_IMAGE_SIZE

_lock = threading.Lock()


class Network:
    """MobileNetV2 without its top, with global average pooling.

    Args:
        weights: `imagenet`, or a file of Keras weights, local or on an object store.
        alpha: The network's width.

    Raises:
        ConfigError: the weights can't be had, or are those of another network.
    """

    # Images that go through the network together. More are no faster on a CPU and hold more pixels in memory.
    batch_size = 64

    def __init__(self, weights: str, alpha: float) -> None:
        model = mobilenet.build(Weights(weights, "--embedding_weights", storage.read_bytes), alpha)
        shape = (None, *EMBEDDING_IMAGE_SIZE, 3)
        self.weights_digest = mobilenet.digest(model)

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


def load(weights: str, alpha: float) -> Network:
    """Returns this process's network, built at the first call and whenever the file of weights is another one."""
    version = ""
    if weights != IMAGENET:
        # Building it says what is wrong with a file that isn't there.
        with contextlib.suppress(FileNotFoundError):
            version = storage.version(weights)
    with _lock:
        return _load(weights, alpha, version)


@functools.lru_cache(maxsize=1)
def _load(weights: str, alpha: float, version: str) -> Network:
    del version
    return Network(weights, alpha)
