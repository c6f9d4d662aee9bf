from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.layers import RandomCropOrCenter

NumberPixels = Callable[[int, int, int], tf.Tensor]


def window_starts(layer: RandomCropOrCenter, images: tf.Tensor, num_steps: int) -> np.ndarray:
    """Where the windows of numbered images start: int, (num_steps, batch, 2)."""
    step = tf.function(lambda: layer(images, training=True)[:, 0, 0, 0])
    corners = np.stack([step().numpy() for _ in range(num_steps)])
    return np.stack(np.divmod(corners, 1000), axis=-1)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**31 - 2))
@settings(max_examples=25)
def test_the_result_is_a_window_of_the_image(
    height: int, width: int, spare_rows: int, spare_columns: int, seed: int
) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (3, height + spare_rows, width + spare_columns, 3), np.uint8)
    layer = RandomCropOrCenter(height, width, seed=seed)
    starts = np.floor(RandomCropOrCenter(height, width, seed=seed).draw(3, 2) * [spare_rows + 1, spare_columns + 1])
    cropped = layer(tf.constant(images), training=True)
    assert cropped.dtype == tf.uint8
    for image, (top, left), result in zip(images, starts.astype(int), cropped.numpy(), strict=True):
        np.testing.assert_array_equal(result, image[top : top + height, left : left + width])
    top, left = spare_rows // 2, spare_columns // 2
    centre = images[:, top : top + height, left : left + width]
    np.testing.assert_array_equal(layer(tf.constant(images), training=False), centre)
    np.testing.assert_array_equal(layer(tf.constant(images)), centre)


def test_every_position_is_as_likely(number_pixels: NumberPixels) -> None:
    starts = window_starts(RandomCropOrCenter(6, 5, seed=3), number_pixels(100, 10, 12), num_steps=80)
    counts = np.zeros((5, 8))
    np.add.at(counts, tuple(starts.reshape(-1, 2).T), 1)
    expected = starts[..., 0].size / counts.size
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # 39 degrees of freedom: below 16 or above 81 in one of 10,000 samples.
    assert 16 < chi_square < 81


def test_images_and_steps_get_windows_of_their_own(number_pixels: NumberPixels) -> None:
    starts = window_starts(RandomCropOrCenter(1, 1, seed=4), number_pixels(40, 400, 400), num_steps=50)
    places = starts[..., 0] * 1000 + starts[..., 1]
    # 2,000 windows at 160,000 positions: about 12 coincide by chance.
    assert len(np.unique(places)) > 1970
    tops, lefts = starts[..., 0], starts[..., 1]
    for one, other in [(tops, lefts), (tops[:, :-1], tops[:, 1:]), (tops[:-1], tops[1:]), (lefts[:-1], tops[1:])]:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_an_image_of_the_windows_size_passes_unchanged(photographs: np.ndarray) -> None:
    layer = RandomCropOrCenter(12, 16, seed=0)
    for training in (True, False):
        np.testing.assert_array_equal(layer(tf.constant(photographs), training=training), photographs)


def test_an_empty_batch_stays_empty() -> None:
    assert RandomCropOrCenter(4, 5, seed=0)(tf.zeros([0, 8, 8, 3]), training=True).shape == (0, 4, 5, 3)


@pytest.mark.parametrize(("height", "width"), [(13, 16), (12, 17)])
def test_too_small_images_are_named(photographs: np.ndarray, height: int, width: int) -> None:
    expected = f"at least {height}x{width} \\(height x width\\) and got 12x16; resize them before"
    layer = RandomCropOrCenter(height, width, seed=0)
    for training in (True, False):
        with pytest.raises(ValueError, match=expected):
            layer(tf.constant(photographs), training=training)
    with pytest.raises(ValueError, match=expected):
        layer(keras.Input((12, 16, 3), dtype="uint8"))


@pytest.mark.parametrize("training", [True, False])
def test_too_small_images_are_named_when_the_graph_learns_their_size(photographs: np.ndarray, training: bool) -> None:
    layer = RandomCropOrCenter(13, 4, seed=0)
    step = tf.function(
        lambda images: layer(images, training=training),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="images smaller than the window of 13x4"):
        step(tf.constant(photographs))


def test_refuses_what_is_no_window_or_no_batch() -> None:
    with pytest.raises(ConfigError, match="height: got 0, expected a whole number of pixels, at least 1"):
        RandomCropOrCenter(0, 4)
    with pytest.raises(ConfigError, match=r"width: got 4\.5, expected a whole number of pixels"):
        RandomCropOrCenter(4, 4.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\(batch, height, width, channels\), and got \(8, 8, 3\)"):
        RandomCropOrCenter(4, 4)(tf.zeros([8, 8, 3]))
