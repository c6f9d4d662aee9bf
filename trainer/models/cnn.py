"""`cnn`: a small convolutional network that learns a few classes within half a minute on two cores."""

from __future__ import annotations

import keras

from trainer.layers import RandomFlip, ToFloat

# Filters of the blocks, each of which pools height and width to half; the first one's convolution halves them too.
# On 800 drawn flowers at 96x96 and 12 epochs, two cores: 1.00 of 200 others right in 16 s. Convolutions that stride
# instead of pooling get to 0.95 in the same time, and full size in the first block costs four times as much.
_FILTERS = (16, 32, 64, 128)

# Keras' own 0.99 needs hundreds of steps before the moving averages that validation uses mean anything; an epoch of a
# small data set has twenty.
_MOMENTUM = 0.9


def build(
    *, image_size: tuple[int, int], num_classes: int, l1: float, l2: float, num_hidden: int, dropout: float
) -> keras.Model:
    """Builds the model; in training it mirrors half of the images.

    Args:
        image_size: (height, width).
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.
        num_hidden: Units of a hidden layer before the softmax, 0 for no such layer.
        dropout: Share of features dropped before the softmax.

    Returns:
        From uint8 (B, height, width, 3) to float32 probabilities (B, num_classes).
    """
    penalty = keras.regularizers.L1L2(l1, l2)
    images = keras.Input((*image_size, 3), dtype="uint8", name="images")
    x = RandomFlip(name="flip")(images)
    x = ToFloat(-1.0, 1.0, name="to_float")(x)
    for number, filters in enumerate(_FILTERS, 1):
        size, strides = (5, 2) if number == 1 else (3, 1)
        x = keras.layers.Conv2D(filters, size, strides, "same", use_bias=False, name=f"convolution_{number}")(x)
        x = keras.layers.MaxPooling2D(3, 2, "same", name=f"pool_{number}")(x)
        x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"normalise_{number}")(x)
        x = keras.layers.ReLU(name=f"relu_{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    if num_hidden:
        x = keras.layers.Dense(num_hidden, "relu", kernel_regularizer=penalty, name="hidden")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    # In float32 whatever the policy: probabilities of half precision don't add up to 1.
    x = keras.layers.Dense(num_classes, "softmax", kernel_regularizer=penalty, dtype="float32", name="probabilities")(x)
    return keras.Model(images, x, name="cnn")
