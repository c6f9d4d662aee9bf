"""How well a model does on one split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# The least probability that the loss sees, as in Keras: the logarithm of 0 is none.
_EPSILON = 1e-7


def evaluate(model: keras.Model, dataset: tf.data.Dataset, class_names: Sequence[str]) -> dict[str, Any]:
    """Asks a model about every image of a data set, once.

    Args:
        model: From images to probabilities (B, C).
        dataset: Batches of images and int labels (B,), 0 to C - 1, that end.
        class_names: C names.

    Returns:
        What `summarise` returns.
    """
    labels, probabilities = [], []
    for images, batch_labels in dataset:
        probabilities.append(np.asarray(model.predict_on_batch(images)))
        labels.append(batch_labels.numpy())
    return summarise(np.concatenate(labels), np.concatenate(probabilities), class_names)


def summarise(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Compares probabilities with labels.

    Args:
        labels: int, (N,), 0 to C - 1, N at least 1.
        probabilities: float, (N, C).
        class_names: C names.

    Returns:
        `num_examples`; `accuracy`, 0 to 1; `loss`, the mean cross-entropy in nats, without any penalty on weights;
        `classes`, by name: `num_examples`, `num_predicted`, `precision`, `recall`, `f1` (null where there is nothing to
        divide by); `confusion_matrix`, true classes down, predicted ones across.
    """
    confusion = count_confusions(labels, probabilities.argmax(axis=1), len(class_names))
    right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return {
        "num_examples": len(labels),
        "accuracy": float(np.trace(confusion) / len(labels)),
        "loss": float(-np.log(np.maximum(right, _EPSILON)).mean()),
        "classes": {name: _score(confusion, index) for index, name in enumerate(class_names)},
        "confusion_matrix": confusion.tolist(),
    }


def count_confusions(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts how often each class was taken for each.

    Args:
        labels: int, (N,), 0 to C - 1.
        predictions: int, (N,), 0 to C - 1.
        num_classes: C.

    Returns:
        int64, (C, C): true classes down, predicted ones across.
    """
    pairs = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def _score(confusion: np.ndarray, index: int) -> dict[str, Any]:
    right = int(confusion[index, index])
    num_examples, num_predicted = int(confusion[index].sum()), int(confusion[:, index].sum())
    return {
        "num_examples": num_examples,
        "num_predicted": num_predicted,
        "precision": right / num_predicted if num_predicted else None,
        "recall": right / num_examples if num_examples else None,
        "f1": 2 * right / (num_examples + num_predicted) if num_examples + num_predicted else None,
    }
