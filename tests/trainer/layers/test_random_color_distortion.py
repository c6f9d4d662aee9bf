from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers import RandomColorDistortion, linear_ramp


def changes(layer: RandomColorDistortion, num_steps: int, batch_size: int = 50) -> np.ndarray:
    """The contrast and brightness of each image of each step, measured on its pixels: (num_steps, batch_size, 2).

    The images are 0.49 and 0.51, too near the middle to be clipped: their distance is the contrast, their mean's
    shift is the brightness.
    """
    images = tf.broadcast_to(tf.constant([0.49, 0.51])[tf.newaxis, tf.newaxis, :, tf.newaxis], [batch_size, 1, 2, 3])
    step = tf.function(lambda: layer(images, training=True)[..., 0])
    dark, bright = np.stack([step().numpy().astype(float)[:, 0] for _ in range(num_steps)]).transpose(2, 0, 1)
    return np.stack([(bright - dark) / 0.02, (bright + dark) / 2 - 0.5], axis=-1)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
def test_equals_the_formula_and_tf_image(photographs: np.ndarray, low: float, high: float) -> None:
    images = (low + (high - low) * photographs / 255).astype(np.float32)
    options: dict[str, Any] = {"low": low, "high": high, "seed": 11}
    distorted = RandomColorDistortion((0.5, 1.5), 0.2, strength=0.8, **options)(tf.constant(images), training=True)
    draws = RandomColorDistortion(**options).draw(6, 2).numpy().astype(float)
    for image, (first, second), result in zip(images, draws, distorted.numpy(), strict=True):
        contrast = 1 + 0.8 * ((0.5 + first) - 1)
        brightness = 0.8 * 0.2 * (2 * second - 1) * (high - low)
        mean = image.astype(float).mean(axis=(0, 1))
        expected = np.clip((image - mean) * contrast + mean + brightness, low, high)
        np.testing.assert_allclose(result, expected, atol=1e-6)
        by_tf = tf.image.adjust_brightness(tf.image.adjust_contrast(image, contrast), brightness)
        np.testing.assert_allclose(result, tf.clip_by_value(by_tf, low, high), atol=2e-6)
    assert (distorted.numpy() == low).any()
    assert (distorted.numpy() == high).any()


def test_inference_and_no_strength_change_nothing(photographs: np.ndarray) -> None:
    images = tf.constant(photographs, tf.float32) / 255
    np.testing.assert_array_equal(RandomColorDistortion(seed=0)(images), images)
    np.testing.assert_array_equal(RandomColorDistortion(seed=0)(images, training=False), images)
    np.testing.assert_allclose(RandomColorDistortion(strength=0, seed=0)(images, training=True), images, atol=1e-7)


def test_inference_neither_counts_nor_clips() -> None:
    layer = RandomColorDistortion(seed=0)
    images = tf.constant([-1.0, 0.5, 2.0], shape=[1, 1, 1, 3])
    np.testing.assert_array_equal(layer(images), images)
    assert (layer.step.numpy(), layer.seed_generator.state.numpy().tolist()) == (0, [0, 0])


def test_contrast_and_brightness_are_uniform_over_their_limits() -> None:
    measured = changes(RandomColorDistortion((0.6, 1.8), 0.3, seed=7), num_steps=80).reshape(-1, 2)
    for values, low, high in zip(measured.T, (0.6, -0.3), (1.8, 0.3), strict=True):
        shares = (values - low) / (high - low)
        assert -1e-4 <= shares.min() < 0.003
        assert 0.997 < shares.max() <= 1.0001
        # 4,000 uniform draws: 4 standard deviations of their mean, their variance, and (Kolmogorov) their distribution.
        assert abs(shares.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / 4000)
        assert abs(shares.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / 4000)
        assert np.abs(np.sort(shares) - np.linspace(0, 1, 4000)).max() < 2 / np.sqrt(4000)


def test_every_image_of_every_step_is_distorted_by_itself() -> None:
    measured = changes(RandomColorDistortion(seed=8), num_steps=80)
    for values in np.moveaxis(measured, -1, 0):
        assert len(np.unique(values.round(6))) > 3900
        assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.07
        assert abs(np.corrcoef(values[1:].ravel(), values[:-1].ravel())[0, 1]) < 0.07
        # A draw that the images of a batch share would put all variance between steps; one drawn when traced, none.
        assert abs(values.mean(axis=1).var() / (values.var() / 50) - 1) < 0.7
    assert abs(np.corrcoef(measured[..., 0].ravel(), measured[..., 1].ravel())[0, 1]) < 0.07


def test_the_strength_follows_its_ramp() -> None:
    layer = RandomColorDistortion((0.5, 1.5), 0.2, strength=linear_ramp(10), seed=9)
    measured = changes(layer, num_steps=14, batch_size=400)
    ramp = np.minimum(np.arange(14) / 10, 1.0)
    np.testing.assert_allclose(np.abs(measured[..., 0] - 1).max(axis=1), 0.5 * ramp, atol=0.02)
    np.testing.assert_allclose(np.abs(measured[..., 1]).max(axis=1), 0.2 * ramp, atol=0.008)
    assert layer.step.numpy() == 14
    assert float(layer.current_strength()) == 1.0


def test_weights_keep_the_ramp(tmp_path: Path) -> None:
    def build() -> keras.Sequential:
        return keras.Sequential([keras.Input((2, 2, 3)), RandomColorDistortion(strength=linear_ramp(10), seed=9)])

    model, restarted = build(), build()
    for _ in range(4):
        model(tf.zeros([1, 2, 2, 3]), training=True)
    model.save_weights(tmp_path / "model.weights.h5")
    restarted.load_weights(tmp_path / "model.weights.h5")
    assert float(restarted.layers[0].current_strength()) == pytest.approx(0.4)
    assert restarted.layers[0].step.trainable is False


def test_a_ramp_survives_its_config() -> None:
    layer = RandomColorDistortion(strength=linear_ramp(8, first=0.25, last=0.75), seed=9)
    again = RandomColorDistortion.from_config(layer.get_config())
    for step, strength in [(0, 0.25), (4, 0.5), (9, 0.75)]:
        again.step.assign(step)
        assert float(again.current_strength()) == pytest.approx(strength)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False])
def test_half_precision_rounds_the_float32_result_once(photographs: np.ndarray, policy: str, training: bool) -> None:
    images = tf.constant(photographs, tf.float32) / 255
    distorted = RandomColorDistortion(seed=2, dtype=policy)(images, training=training)
    in_float32 = RandomColorDistortion(seed=2, dtype="float32")(images, training=training)
    assert distorted.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_array_equal(distorted, tf.cast(in_float32, distorted.dtype))


def test_refuses_integers_and_what_is_no_batch(photographs: np.ndarray) -> None:
    with pytest.raises(TypeError, match="RandomColorDistortion expected floats and got uint8 pixels; put ToFloat"):
        RandomColorDistortion()(tf.constant(photographs), training=False)
    with pytest.raises(TypeError, match="RandomColorDistortion expected floats and got uint8 pixels"):
        RandomColorDistortion()(keras.Input((8, 8, 3), dtype="uint8"))
    with pytest.raises(ValueError, match=r"and got \(8, 8, 3\)"):
        RandomColorDistortion()(tf.zeros([8, 8, 3]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contrast_limits": (1.5, 0.5)}, r"contrast_limits: got \(1\.5, 0\.5\), expected two numbers"),
        ({"contrast_limits": (-0.1, 0.5)}, r"contrast_limits: got \(-0\.1, 0\.5\)"),
        ({"contrast_limits": (1.0,)}, r"contrast_limits: got \(1\.0,\)"),
        ({"brightness_delta": -0.1}, r"brightness_delta: got -0\.1, expected a number of at least 0"),
        ({"strength": -1}, "strength: got -1, expected a number of at least 0, or a schedule"),
        ({"low": 1.0}, r"high: got 1\.0, expected a number above low \(1\.0\)"),
    ],
)
def test_refuses_impossible_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RandomColorDistortion(**arguments)


def test_refuses_a_ramp_without_steps() -> None:
    with pytest.raises(ConfigError, match="num_steps: got 0, expected at least 1"):
        linear_ramp(0)
