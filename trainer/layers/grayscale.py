"""`Grayscale`: luminance, encoded as sRGB."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.batch import require_floats, require_images

# IEC 61966-2-1 (sRGB): the share of red, green and blue in the luminance, and the curve from it to an encoded value,
# a straight line in the dark and a power above.
_LUMINANCE = ((0.2126,), (0.7152,), (0.0722,))
_LINEAR_LIMIT = 0.0031308
_LINEAR_SLOPE = 12.92
_POWER_SCALE = 1.055
_POWER_OFFSET = 0.055
_POWER = 1 / 2.4


@keras.saving.register_keras_serializable(package="petalstream")
class Grayscale(keras.layers.Layer):
    """Turns a batch of RGB images grey: c = 0.2126 R + 0.7152 G + 0.0722 B, then the sRGB curve.

    The curve is 1.055 c^(1/2.4) - 0.055 where c is above 0.0031308, and 12.92 c elsewhere. It takes R, G and B as
    linear light; an image's pixels are encoded already, so that its greys come out lighter than they look in it.

    The same in training and in inference. Computed in float32; on a GPU with TensorFloat-32 the products keep 10 bits
    of mantissa, more than an image has.

    Input: (batch, height, width, 3), floats in [0, 1].
    Output: (batch, height, width, 1), the compute dtype, in [0, 1] up to rounding.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Raises:
        TypeError: when called on integers.
        ValueError: when called on what is no batch of images with three channels.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Without autocast: the curve is steep in the dark, where half precision would show.
        super().__init__(autocast=False, **kwargs)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the batch in grey."""
        require_images(self, images.shape, num_channels=3)
        require_floats(self, images.dtype)
        light = tf.matmul(tf.cast(images, tf.float32), tf.constant(_LUMINANCE, tf.float32))
        # The power of a number near 0 has an infinite slope, which times tf.where's zero would make the gradient NaN.
        bright = _POWER_SCALE * tf.maximum(light, _LINEAR_LIMIT) ** _POWER - _POWER_OFFSET
        return tf.cast(tf.where(light > _LINEAR_LIMIT, bright, _LINEAR_SLOPE * light), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape with one channel."""
        require_images(self, input_shape, num_channels=3)
        return (*input_shape[:3], 1)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns shape and dtype, and refuses integers as early as the model is built."""
        require_floats(self, images.dtype)
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=self.compute_dtype)
