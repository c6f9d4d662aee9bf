"""`ToFloat`: turns the uint8 that travels to the device into the floats that a network takes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from etl.errors import ConfigError


@keras.saving.register_keras_serializable(package="petalstream")
class ToFloat(keras.layers.Layer):
    """Scales pixels to `[low, high]`, in the layer's compute dtype.

    `low + (high - low) * pixels / maximum`, computed in float32 and rounded once to the compute dtype, so that
    `mixed_bfloat16` sees all 256 values as well as it can. The same in training and in inference.

    Input: any shape, integers or floats from 0 to `maximum`. What a value means doesn't depend on its dtype: the pixels
    200 and 200.0 give the same, so that a model whose `keras.Input` lacks `dtype="uint8"` isn't silently wrong.
    Output: the same shape, the compute dtype. Values outside 0 to `maximum` are not clipped.

    Args:
        low: What 0 becomes.
        high: What `maximum` becomes; above `low`.
        maximum: The input's white: 255 for uint8 pixels, 1 for pixels that were stored as float32.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ConfigError: `high` is not above `low`, or `maximum` not above 0.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, *, maximum: float = 255.0, **kwargs: Any) -> None:
        # Without autocast: float32 pixels would be rounded to half precision before they are scaled.
        super().__init__(autocast=False, **kwargs)
        if not low < high:
            raise ConfigError("high", high, f"a number above low ({low})")
        if not maximum > 0:
            raise ConfigError("maximum", maximum, "a number above 0")
        self.low, self.high, self.maximum = float(low), float(high), float(maximum)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the pixels, scaled."""
        scaled = tf.cast(images, tf.float32) * ((self.high - self.low) / self.maximum) + self.low
        return tf.cast(scaled, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), "low": self.low, "high": self.high, "maximum": self.maximum}
