"""`cifar_cnn`: convolutions for images of 32x32, flattened with all their places, and dropout before the classes."""

from __future__ import annotations

import keras

from trainer.layers import ToFloat

# Filters of the blocks, each of two convolutions, of which the pooling halves height and width.
_FILTERS = (32, 64, 128)


def build(
    *, image_size: tuple[int, int], num_classes: int, l1: float, l2: float, num_hidden: int, dropout: float
) -> keras.Model:
    """Builds the model, which neither augments nor normalises: what narrows the gap to validation is dropout alone.

    Args:
        image_size: (height, width), 8 or more each.
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.
        num_hidden: Units of a hidden layer before the softmax, 0 for no such layer.
        dropout: Share of the flattened features that is dropped in training.

    Returns:
        From uint8 (B, height, width, 3) to float32 probabilities (B, num_classes).
    """
    penalty = keras.regularizers.L1L2(l1, l2)
    images = keras.Input((*image_size, 3), dtype="uint8", name="images")
    x = ToFloat(-1.0, 1.0, name="to_float")(images)
    for block, filters in enumerate(_FILTERS, 1):
        for half in "ab":
            x = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"convolution_{block}{half}",
            )(x)
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool_{block}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    if num_hidden:
        x = keras.layers.Dense(num_hidden, "relu", kernel_regularizer=penalty, name="hidden")(x)
    # In float32 whatever the policy: probabilities of half precision don't add up to 1.
    x = keras.layers.Dense(num_classes, "softmax", kernel_regularizer=penalty, dtype="float32", name="probabilities")(x)
    return keras.Model(images, x, name="cifar_cnn")
