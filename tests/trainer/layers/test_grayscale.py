from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.layers import Grayscale, ToFloat


def grayscale_reference(pixel: np.ndarray) -> float:
    """The formula for one pixel, in double precision, as it stands in the text book."""
    red, green, blue = (float(channel) for channel in pixel)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 1.055 * light ** (1 / 2.4) - 0.055 if light > 0.0031308 else 12.92 * light


def test_equals_the_formula_pixel_by_pixel(photographs: np.ndarray) -> None:
    images = photographs.astype(np.float32) / 255
    images[1] *= 0.01  # Dark enough for the straight part of the curve.
    expected = np.apply_along_axis(grayscale_reference, -1, images)[..., np.newaxis]
    assert (expected[1] < 0.04).sum() > 50
    np.testing.assert_allclose(Grayscale()(tf.constant(images)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("colour", "grey"),
    [
        ((0, 0, 0), 0.0),
        ((1, 1, 1), 1.0),
        ((1, 0, 0), 1.055 * 0.2126 ** (1 / 2.4) - 0.055),
        ((0, 1, 0), 1.055 * 0.7152 ** (1 / 2.4) - 0.055),
        ((0, 0, 1), 1.055 * 0.0722 ** (1 / 2.4) - 0.055),
        ((0.001, 0.001, 0.001), 0.01292),
    ],
)
def test_known_colours(colour: tuple[float, float, float], grey: float) -> None:
    result = Grayscale()(tf.reshape(tf.constant(colour, tf.float32), [1, 1, 1, 3]))
    assert result.shape == (1, 1, 1, 1)
    np.testing.assert_allclose(result.numpy().item(), grey, atol=1e-6)


def test_the_gradient_is_finite_in_black() -> None:
    images = tf.zeros([1, 2, 2, 3])
    with tf.GradientTape() as tape:
        tape.watch(images)
        grey = Grayscale()(images)
    np.testing.assert_allclose(tape.gradient(grey, images)[0, 0, 0], [12.92 * c for c in (0.2126, 0.7152, 0.0722)])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_rounds_the_float32_result_once(photographs: np.ndarray, policy: str) -> None:
    images = ToFloat(dtype="float32")(tf.constant(photographs))
    grey = Grayscale(dtype=policy)(images)
    assert grey.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_array_equal(grey, tf.cast(Grayscale(dtype="float32")(images), grey.dtype))


def test_refuses_integers_and_other_shapes(photographs: np.ndarray) -> None:
    with pytest.raises(TypeError, match="Grayscale expected floats and got uint8 pixels; put ToFloat before it"):
        Grayscale()(tf.constant(photographs))
    with pytest.raises(TypeError, match="Grayscale expected floats and got uint8 pixels"):
        Grayscale()(keras.Input((8, 8, 3), dtype="uint8"))
    with pytest.raises(ValueError, match=r"\(batch, height, width, 3\), and got \(2, 8, 8, 1\)"):
        Grayscale()(tf.zeros([2, 8, 8, 1]))
    with pytest.raises(ValueError, match=r"\(batch, height, width, 3\), and got \(8, 8, 3\)"):
        Grayscale()(tf.zeros([8, 8, 3]))
