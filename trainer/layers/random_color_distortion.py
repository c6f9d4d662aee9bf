"""`RandomColorDistortion`: contrast and brightness of each image, as strongly as a schedule says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers.batch import require_floats, require_images
from trainer.layers.random_layer import RandomLayer

# From the step, an int64 scalar, to a strength: those of `keras.optimizers.schedules`, or any that Keras can serialise.
Schedule: TypeAlias = Callable[[tf.Tensor], tf.Tensor]


def linear_ramp(num_steps: int, first: float = 0.0, last: float = 1.0) -> Schedule:
    """Makes a schedule that goes straight from `first` at step 0 to `last` at `num_steps`, and stays there.

    Args:
        num_steps: The ramp's length in training steps.
        first: The value at step 0.
        last: The value from `num_steps` on.

    Raises:
        ConfigError: `num_steps` is below 1.
    """
    if num_steps < 1:
        raise ConfigError("num_steps", num_steps, "at least 1")
    ramp: Schedule = keras.optimizers.schedules.PolynomialDecay(first, num_steps, last, power=1.0)
    return ramp


@keras.saving.register_keras_serializable(package="petalstream")
class RandomColorDistortion(RandomLayer):
    """Changes contrast, then brightness, in training, by numbers of its own for every image of every step.

    With the formulas of `tf.image.adjust_contrast` and `tf.image.adjust_brightness`, m being an image's channel means:

        (pixels - m) * contrast + m + brightness, clipped to [low, high]
        contrast = 1 + strength * (uniform(*contrast_limits) - 1)
        brightness = strength * uniform(-brightness_delta, brightness_delta) * (high - low)

    In inference the pixels pass through, unclipped. Computed in float32 and rounded once to the compute dtype.

    The weight `step` (int64, not trainable) counts the training calls for the schedule. It is saved with the weights,
    so that a restart goes on where the ramp was.

    Input: (batch, height, width, channels), floats in [low, high].
    Output: the same shape, the compute dtype.

    Args:
        contrast_limits: The smallest and largest factor, at full strength. Below 1 is flatter; not negative.
        brightness_delta: The largest change up or down, at full strength, as a share of the range.
        strength: 0 for no change, 1 for the limits as given, or a schedule from step to strength (`linear_ramp`, any of
            `keras.optimizers.schedules`, or a function that is registered with Keras).
        low: The pixels' black.
        high: The pixels' white; above `low`.
        seed: As for `RandomLayer`.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ConfigError: an argument is out of its range.
        TypeError: when called on integers.
        ValueError: when called on what is no batch of images.
    """

    def __init__(
        self,
        contrast_limits: tuple[float, float] = (0.5, 1.5),
        brightness_delta: float = 0.2,
        strength: float | Schedule = 1.0,
        *,
        low: float = 0.0,
        high: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast: float32 pixels would be rounded to half precision before they are distorted.
        super().__init__(seed=seed, autocast=False, **kwargs)
        if len(contrast_limits) != 2 or not 0 <= contrast_limits[0] <= contrast_limits[1]:
            raise ConfigError("contrast_limits", contrast_limits, "two numbers, 0 <= smallest <= largest")
        if not brightness_delta >= 0:
            raise ConfigError("brightness_delta", brightness_delta, "a number of at least 0")
        if not callable(strength) and not strength >= 0:
            raise ConfigError("strength", strength, "a number of at least 0, or a schedule")
        if not low < high:
            raise ConfigError("high", high, f"a number above low ({low})")
        self.contrast_limits = (float(contrast_limits[0]), float(contrast_limits[1]))
        self.brightness_delta = float(brightness_delta)
        self.strength = strength
        self.low, self.high = float(low), float(high)
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="step")

    def current_strength(self) -> tf.Tensor:
        """Returns the strength that the next training step will use: float32, a scalar."""
        strength = self.strength(self.step.value) if callable(self.strength) else self.strength
        return tf.cast(strength, tf.float32)

    def call(self, images: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """Returns the batch, distorted and clipped in training."""
        require_images(self, images.shape)
        require_floats(self, images.dtype)
        if not training:
            return tf.cast(images, self.compute_dtype)
        pixels = tf.cast(images, tf.float32)
        contrast, brightness = self._draw_changes(tf.shape(images)[0])
        means = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
        # One product and one sum a pixel, half the time of the formula as it is written above.
        distorted = pixels * contrast + (means * (1 - contrast) + brightness)
        return tf.cast(tf.clip_by_value(distorted, self.low, self.high), self.compute_dtype)

    def _draw_changes(self, batch_size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws contrast and brightness, each float32 (batch, 1, 1, 1), and counts the step."""
        strength = self.current_strength()
        self.step.assign_add(1)
        smallest, largest = self.contrast_limits
        draws = self.draw(batch_size, 2)[:, tf.newaxis, tf.newaxis, :]
        contrast = 1 + strength * (smallest + (largest - smallest) * draws[..., :1] - 1)
        brightness = strength * self.brightness_delta * (self.high - self.low) * (2 * draws[..., 1:] - 1)
        return contrast, brightness

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        require_images(self, input_shape)
        return tuple(input_shape)

    def compute_output_spec(self, images: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        """Returns shape and dtype, and refuses integers as early as the model is built."""
        require_floats(self, images.dtype)
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        scheduled = callable(self.strength)
        return {
            **super().get_config(),
            "contrast_limits": list(self.contrast_limits),
            "brightness_delta": self.brightness_delta,
            "strength": keras.saving.serialize_keras_object(self.strength) if scheduled else self.strength,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomColorDistortion:
        """Makes the layer from what `get_config` returned."""
        strength = config.get("strength", 1.0)
        if isinstance(strength, dict):
            config = {**config, "strength": keras.saving.deserialize_keras_object(strength)}
        return cls(**config)
