from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers import RandomFlip

NumberPixels = Callable[[int, int, int], tf.Tensor]


def flips(layer: RandomFlip, images: tf.Tensor, num_steps: int) -> np.ndarray:
    """Which of the numbered images were mirrored: bool, (num_steps, batch)."""
    step = tf.function(lambda: layer(images, training=True)[:, 0, 0, 0])
    return np.stack([step().numpy() for _ in range(num_steps)]) > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_result_is_the_image_or_its_mirror_image(photographs: np.ndarray, dtype: type) -> None:
    images: np.ndarray = photographs.astype(dtype)
    mirrored = RandomFlip(seed=1).draw(6, 1).numpy()[:, 0] < 0.5
    assert 0 < mirrored.sum() < 6
    expected = np.where(mirrored[:, np.newaxis, np.newaxis, np.newaxis], images[:, :, ::-1], images)
    flipped = RandomFlip(seed=1)(tf.constant(images), training=True)
    assert flipped.dtype == dtype
    np.testing.assert_array_equal(flipped, expected)


def test_inference_changes_nothing(photographs: np.ndarray) -> None:
    np.testing.assert_array_equal(RandomFlip(1.0, seed=0)(tf.constant(photographs)), photographs)
    np.testing.assert_array_equal(RandomFlip(1.0, seed=0)(tf.constant(photographs), training=False), photographs)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_flips_as_often_as_it_should(number_pixels: NumberPixels, probability: float) -> None:
    rate = flips(RandomFlip(probability, seed=5), number_pixels(100, 1, 2), num_steps=40).mean()
    assert abs(rate - probability) <= 4 * np.sqrt(probability * (1 - probability) / 4000)


def test_every_image_of_every_step_has_its_own_coin(number_pixels: NumberPixels) -> None:
    flipped = flips(RandomFlip(seed=6), number_pixels(50, 1, 2), num_steps=80)
    assert len(np.unique(flipped, axis=0)) == 80
    assert len(np.unique(flipped, axis=1).T) == 50
    # Of two neighbours, in the batch or in time, half are equal: 4 standard deviations of 4,000 coins are 0.032.
    assert abs((flipped[:, 1:] == flipped[:, :-1]).mean() - 0.5) < 0.032
    assert abs((flipped[1:] == flipped[:-1]).mean() - 0.5) < 0.032


def test_refuses_what_is_no_probability_or_no_batch() -> None:
    with pytest.raises(ConfigError, match=r"probability: got 1\.5, expected a number from 0 to 1"):
        RandomFlip(1.5)
    with pytest.raises(ValueError, match=r"RandomFlip expected a batch of images, .* and got \(8, 8, 3\)"):
        RandomFlip()(tf.zeros([8, 8, 3]), training=True)
