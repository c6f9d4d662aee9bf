"""`linear`: every pixel straight to every class; fast, and all that many a timing needs."""

from __future__ import annotations

import keras

from trainer.layers import ToFloat


def build(*, image_size: tuple[int, int], num_classes: int, l1: float, l2: float) -> keras.Model:
    """Builds the model.

    Args:
        image_size: (height, width).
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.

    Returns:
        From uint8 (B, height, width, 3) to float32 probabilities (B, num_classes).
    """
    images = keras.Input((*image_size, 3), dtype="uint8", name="images")
    x = ToFloat(name="to_float")(images)
    x = keras.layers.Flatten(name="flatten")(x)
    # In float32 whatever the policy: probabilities of half precision don't add up to 1.
    x = keras.layers.Dense(
        num_classes,
        "softmax",
        kernel_regularizer=keras.regularizers.L1L2(l1, l2),
        dtype="float32",
        name="probabilities",
    )(x)
    return keras.Model(images, x, name="linear")
