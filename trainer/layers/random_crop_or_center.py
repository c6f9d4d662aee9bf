"""`RandomCropOrCenter`: a window of each image, random in training and central otherwise."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from etl.errors import ConfigError
from trainer.layers.batch import require_images, take_pixels
from trainer.layers.random_layer import RandomLayer


@keras.saving.register_keras_serializable(package="petalstream")
class RandomCropOrCenter(RandomLayer):
    """Crops each image to `height` by `width`: anywhere in training, the centre in inference.

    In training every image of every step gets a window of its own, uniform over all positions. In inference the window
    starts at row `(image height - height) // 2`, and likewise for columns. Pixels are moved, never computed with.

    Input: (batch, image height, image width, channels), at least as large as the window; any dtype and range.
    Output: (batch, height, width, channels); integers keep their dtype, floats get the layer's compute dtype.

    Args:
        height: The window's, in pixels.
        width: The window's, in pixels.
        seed: As for `RandomLayer`.
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        ConfigError: `height` or `width` is no positive integer.
        ValueError: when called on images smaller than the window, or on what is no batch of images.
        tf.errors.InvalidArgumentError: the same, where the images' size is known only when the graph runs. Under XLA,
            which drops such checks, the pixels are then undefined.
    """

    def __init__(self, height: int, width: int, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        for field, value in (("height", height), ("width", width)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(field, value, "a whole number of pixels, at least 1")
        self.height, self.width = height, width

    def call(self, images: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """Returns the windows."""
        self._require_large_enough(images.shape)
        batch, image_height, image_width = tf.unstack(tf.shape(images)[:3])
        spare = tf.stack([image_height - self.height, image_width - self.width])
        message = f"RandomCropOrCenter: images smaller than the window of {self.height}x{self.width}"
        with tf.control_dependencies([tf.debugging.assert_non_negative(spare, message=message)]):
            spare = tf.identity(spare)
        if training:
            start = tf.cast(self.draw(batch, 2) * tf.cast(spare + 1, tf.float32), tf.int32)
            rows = start[:, :1] + tf.range(self.height)
            columns = start[:, 1:] + tf.range(self.width)
            cropped = take_pixels(images, rows, columns)
        else:
            top, left = tf.unstack(spare // 2)
            cropped = images[:, top : top + self.height, left : left + self.width]
        return tf.ensure_shape(cropped, self.compute_output_shape(images.shape))

    def _require_large_enough(self, shape: tuple[int | None, ...]) -> None:
        require_images(self, shape)
        _, image_height, image_width, _ = shape
        if (image_height or self.height) < self.height or (image_width or self.width) < self.width:
            raise ValueError(
                f"RandomCropOrCenter expected images of at least {self.height}x{self.width} (height x width) and got "
                f"{image_height}x{image_width}; resize them before, or take a smaller window"
            )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape, the window's height and width in it."""
        self._require_large_enough(input_shape)
        return input_shape[0], self.height, self.width, input_shape[3]

    def compute_output_spec(self, images: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        """Returns shape and dtype; the base class's own would claim the compute dtype for integers too."""
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=images.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), "height": self.height, "width": self.width}
