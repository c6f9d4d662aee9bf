from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers import ToFloat

ALL_PIXELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (-0.5, 2.0)])
def test_scales_every_pixel_value_as_numpy_does(low: float, high: float) -> None:
    expected = low + (high - low) * ALL_PIXELS.astype(np.float64) / 255
    scaled = ToFloat(low, high)(tf.constant(ALL_PIXELS))
    assert scaled.dtype == tf.float32
    np.testing.assert_allclose(scaled.numpy(), expected, atol=3e-7)


def test_the_default_ends_are_exact() -> None:
    scaled = ToFloat()(tf.constant(ALL_PIXELS)).numpy()
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    scaled = ToFloat(-1, 1)(tf.constant(ALL_PIXELS)).numpy()
    assert (scaled.min(), scaled.max()) == (-1.0, 1.0)


def test_a_pixel_means_the_same_in_any_dtype() -> None:
    layer = ToFloat(-1, 1)
    expected = layer(tf.constant(ALL_PIXELS)).numpy()
    for dtype in (tf.int32, tf.int64, tf.float32):
        np.testing.assert_array_equal(layer(tf.cast(ALL_PIXELS, dtype)).numpy(), expected)


def test_maximum_says_what_white_is() -> None:
    stored = tf.constant(ALL_PIXELS, tf.float32) / 255
    np.testing.assert_allclose(ToFloat(-1, 1, maximum=1.0)(stored), ToFloat(-1, 1)(tf.constant(ALL_PIXELS)), atol=2e-7)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("pixels", [ALL_PIXELS, np.linspace(0, 255, 1000, dtype=np.float32)], ids=["uint8", "float32"])
def test_half_precision_rounds_the_float32_result_once(policy: str, pixels: np.ndarray) -> None:
    scaled = ToFloat(dtype=policy)(tf.constant(pixels))
    in_float32 = ToFloat(dtype="float32")(tf.constant(pixels))
    assert scaled.dtype == keras.DTypePolicy(policy).compute_dtype
    np.testing.assert_array_equal(scaled, tf.cast(in_float32, scaled.dtype))


def test_refuses_what_makes_no_range() -> None:
    with pytest.raises(ConfigError, match=r"high: got 0\.0, expected a number above low \(1\.0\)"):
        ToFloat(1.0, 0.0)
    with pytest.raises(ConfigError, match="maximum: got 0, expected a number above 0"):
        ToFloat(maximum=0)
