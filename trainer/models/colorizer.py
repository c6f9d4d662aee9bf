"""`colorizer`: turns a grey image into a coloured one, through a narrow middle.

An autoencoder: strided convolutions bring 80x80 down to 5x5, transposed ones back up. At 80x80 and all other sizes it
has 1,106,755 parameters. What the middle can't hold is lost, so that its pictures are blurred.
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from etl.errors import ConfigError

# (filters, kernel size) of the convolutions, each of which halves height and width.
ENCODER = ((32, 3), (64, 3), (128, 3), (256, 1))
# Filters of the transposed convolutions, kernel 3, each of which doubles them.
DECODER = (256, 128, 64, 32)

_SLOPE = 0.2
_MOMENTUM = 0.8
_MULTIPLE = 2 ** len(ENCODER)


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
    x = decode(encode(grey, dropout)[-1])
    x = keras.layers.Conv2D(3, 3, padding="same", name="to_colours")(x)
    # In float32 whatever the policy: half precision is coarser than the 256 levels of a pixel.
    x = keras.layers.Activation("tanh", dtype="float32", name="colours")(x)
    return keras.Model(grey, x, name="colorizer")


def check_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Returns a size that can be halved as often as the encoder does.

    Raises:
        ConfigError: it can't.
    """
    if any(side % _MULTIPLE for side in image_size):
        got = f"{image_size[0]}x{image_size[1]}"
        raise ConfigError(
            "--image_size", got, f"multiples of {_MULTIPLE}, which a colorizer halves four times", "as 80"
        )
    return image_size


def encode(x: keras.KerasTensor, dropout: float) -> list[keras.KerasTensor]:
    """Adds the encoder.

    Args:
        x: (B, height, width, channels).
        dropout: Share dropped after the last convolution, in place of its normalisation; 0 for none.

    Returns:
        What comes out of each of its convolutions, from height / 2 to height / 16.
    """
    outputs = []
    for number, (filters, size) in enumerate(ENCODER, 1):
        x = keras.layers.Conv2D(filters, size, 2, "same", name=f"convolution_{number}")(x)
        # By keyword it would be `alpha` up to Keras 2 and `negative_slope` from then on.
        x = keras.layers.LeakyReLU(_SLOPE, name=f"leaky_relu_{number}")(x)
        if number < len(ENCODER):
            x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"normalise_{number}")(x)
        elif dropout:
            x = keras.layers.Dropout(dropout, name="dropout")(x)
        outputs.append(x)
    return outputs


def decode(
    x: keras.KerasTensor, join: Callable[[int, keras.KerasTensor], keras.KerasTensor] = lambda _, x: x
) -> keras.KerasTensor:
    """Adds the decoder.

    Args:
        x: (B, height / 16, width / 16, channels).
        join: What is done to the output of each transposed convolution but the last, by its number, from 1.

    Returns:
        (B, height, width, 32).
    """
    for number, filters in enumerate(DECODER, 1):
        x = keras.layers.Conv2DTranspose(filters, 3, 2, "same", name=f"transposed_{number}")(x)
        x = keras.layers.ReLU(name=f"relu_{number}")(x)
        x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"renormalise_{number}")(x)
        if number < len(DECODER):
            x = join(number, x)
    return x
