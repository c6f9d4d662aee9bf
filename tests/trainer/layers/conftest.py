"""Pictures for the layers' tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

NumberPixels = Callable[[int, int, int], tf.Tensor]


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
    """uint8, (6, 12, 16, 3): noise, with black and white in it, and no two images alike."""
    images = np.random.default_rng(20).integers(0, 256, (6, 12, 16, 3), dtype=np.uint8)
    images[0, 0, 0], images[0, 0, 1] = 0, 255
    return images


@pytest.fixture(scope="session")
def number_pixels() -> NumberPixels:
    """Makes images whose pixels say where they are: 1000 times the row, plus the column; one channel."""

    def number(batch: int, height: int, width: int) -> tf.Tensor:
        places = 1000 * np.arange(height)[:, np.newaxis] + np.arange(width)
        return tf.constant(np.broadcast_to(places[np.newaxis, :, :, np.newaxis], (batch, height, width, 1)), tf.int32)

    return number
