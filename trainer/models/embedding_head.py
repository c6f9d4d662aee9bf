"""`embedding_head`: a classifier of embeddings, which were computed once; and the network before it, for serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from etl.errors import ConfigError
from etl.format.schema import EMBEDDING_IMAGE_SIZE, EMBEDDING_SIZE
from trainer.layers import ToFloat
from trainer.models import backbone
from trainer.models.heads import classify


def build(
    *,
    num_classes: int,
    l1: float,
    l2: float,
    num_hidden: int,
    dropout: float,
    weights: str | None,
    alpha: float | None,
) -> keras.Model:
    """Builds the classifier.

    Args:
        num_classes: 1 or more.
        l1: L1 penalty on the dense weights.
        l2: L2 penalty on the dense weights.
        num_hidden: Units of a hidden layer before the softmax, 0 for no such layer.
        dropout: Share of features dropped before the softmax.
        weights: For `with_images` alone.
        alpha: For `with_images` alone.

    Returns:
        From float32 (B, 1280) to float32 probabilities (B, num_classes).
    """
    del weights, alpha
    embeddings = keras.Input((EMBEDDING_SIZE,), name="embeddings")
    x = classify(embeddings, num_classes=num_classes, l1=l1, l2=l2, num_hidden=num_hidden, dropout=dropout)
    return keras.Model(embeddings, x, name="embedding_head")


def with_images(model: keras.Model, hyperparameters: Mapping[str, Any], embedding: Mapping[str, Any]) -> keras.Model:
    """Puts MobileNetV2 before the classifier; see `trainer.models.with_images`.

    The classifier's layers are used, not copied: train one and the other has learnt too.
    """
    weights, alpha = (_known(name, hyperparameters, embedding) for name in ("weights", "alpha"))
    images = keras.Input((*EMBEDDING_IMAGE_SIZE, 3), dtype="uint8", name="images")
    network = backbone.base(weights, alpha, EMBEDDING_IMAGE_SIZE)
    expected, got = embedding.get("weights_sha256"), backbone.digest(network)
    if expected not in (None, got):
        raise ConfigError(
            "--weights",
            weights,
            f"the weights that made the embeddings (SHA-256 {str(expected)[:12]}), and these are others ({got[:12]})",
        )
    x = ToFloat(-1.0, 1.0, name="to_float")(images)
    x = network(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    for layer in model.layers[1:]:
        x = layer(x)
    return keras.Model(images, x, name="embedding_head_with_images")


def _known(name: str, hyperparameters: Mapping[str, Any], embedding: Mapping[str, Any]) -> Any:
    value = hyperparameters.get(name)
    if value is None:
        value = embedding.get(name)
    if value is None:
        raise ConfigError(f"--{name}", None, "that of the network which made the embeddings")
    return value
