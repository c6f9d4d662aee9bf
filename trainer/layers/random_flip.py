"""`RandomFlip`: mirrors some of the images of each batch."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers.batch import require_images, take_pixels
from trainer.layers.random_layer import RandomLayer


@keras.saving.register_keras_serializable(package="petalstream")
class RandomFlip(RandomLayer):
    """Swaps left and right in training, by a coin of its own for every image of every step; does nothing in inference.

    Pixels are moved, never computed with.

    Input: (batch, height, width, channels), any dtype and range.
    Output: the same shape; integers keep their dtype, floats get the layer's compute dtype.

    Args:
        probability: Of a flip, 0 to 1.
        seed: As for `RandomLayer`.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ConfigError: `probability` is out of range.
        ValueError: when called on what is no batch of images.
    """

    def __init__(self, probability: float = 0.5, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 <= probability <= 1:
            raise ConfigError("probability", probability, "a number from 0 to 1")
        self.probability = float(probability)

    def call(self, images: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """Returns the batch, some of it mirrored in training."""
        require_images(self, images.shape)
        if not training:
            return images
        batch, height, width = tf.unstack(tf.shape(images)[:3])
        flip = self.draw(batch, 1) < self.probability
        columns = tf.where(flip, tf.range(width)[::-1], tf.range(width))
        rows = tf.broadcast_to(tf.range(height), [batch, height])
        return tf.ensure_shape(take_pixels(images, rows, columns), images.shape)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        require_images(self, input_shape)
        return tuple(input_shape)

    def compute_output_spec(self, images: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        """Returns shape and dtype; the base class's own would claim the compute dtype for integers too."""
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=images.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), "probability": self.probability}
