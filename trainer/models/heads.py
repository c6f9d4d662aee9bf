"""Heads that turn features into probabilities, the same for images and for their embeddings."""

from __future__ import annotations

import keras


def classify(
    x: keras.KerasTensor, *, num_classes: int, l1: float, l2: float, num_hidden: int, dropout: float
) -> keras.KerasTensor:
    """Adds a hidden layer, dropout and a softmax.

    Args:
        x: Features (B, N).
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.
        num_hidden: Units of the hidden layer, 0 for no such layer.
        dropout: Share of what comes into the softmax that is dropped in training.

    Returns:
        float32 probabilities (B, num_classes).
    """
    penalty = keras.regularizers.L1L2(l1, l2)
    if num_hidden:
        x = keras.layers.Dense(num_hidden, "relu", kernel_regularizer=penalty, name="hidden")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    # In float32 whatever the policy: probabilities of half precision don't add up to 1.
    softmax = keras.layers.Dense(
        num_classes, "softmax", kernel_regularizer=penalty, dtype="float32", name="probabilities"
    )
    return softmax(x)
