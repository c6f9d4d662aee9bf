"""`colorizer_unet`: the colorizer with skip connections, which starts as the grey image itself and learns what to add.

Two kinds of skips. What each convolution of the encoder saw joins the decoder where it has that size again, so that
edges need not pass through the middle. And the grey image is added at the very end, to a last convolution whose weights
start at zero: before the first step the answer is the grey image, and its error can but fall from there. The sum is
clipped to [-1, 1] in place of a tanh, which would have to be inverted first: near white and black, where tanh is flat,
grey pixels would hardly learn (its slope at 0.9 is 0.19, that of the sum is 1).
"""

from __future__ import annotations

import keras

from trainer.models.colorizer import check_size, decode, encode


def build(*, image_size: tuple[int, int], dropout: float) -> keras.Model:
    """Builds the model.

    Args:
        image_size: (height, width), multiples of 16.
        dropout: Share of the middle's features that is dropped in training.

    Returns:
        From float32 (B, height, width, 1) to float32 (B, height, width, 3), both in [-1, 1].

    Raises:
        ConfigError: the size is no multiple of 16.
    """
    grey = keras.Input((*check_size(image_size), 1), name="grey")
    *skips, middle = encode(grey, dropout)

    def join(number: int, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.Concatenate(name=f"skip_{number}")([x, skips[-number]])

    x = keras.layers.Concatenate(name="skip_grey")([decode(middle, join), grey])
    change = keras.layers.Conv2D(3, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="to_colours")(
        x
    )
    # One channel is added to three: the same grey to red, green and blue.
    x = keras.layers.Add(dtype="float32", name="add_grey")([change, grey])
    return keras.Model(grey, _clip(x), name="colorizer_unet")


def _clip(x: keras.KerasTensor) -> keras.KerasTensor:
    """Clips to [-1, 1], by layers that every version of Keras 3 has and loads without code of ours."""
    x = keras.layers.Rescaling(1.0, 1.0, dtype="float32", name="up")(x)
    x = keras.layers.ReLU(2.0, dtype="float32", name="clip")(x)
    return keras.layers.Rescaling(1.0, -1.0, dtype="float32", name="colours")(x)
