"""The predictions on a split, one JSON line an example: which files a model takes for what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from etl.errors.limits import name_file


class Predictions:
    """Keeps labels, predicted classes and their probabilities, 16 bytes an example."""

    def __init__(self) -> None:
        self._labels: list[np.ndarray] = []
        self._predicted: list[np.ndarray] = []
        self._probabilities: list[np.ndarray] = []

    def add(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Takes a batch.

        Args:
            labels: int, (B,), the true classes.
            probabilities: float, (B, C).
        """
        predicted = probabilities.argmax(axis=1)
        self._labels.append(labels.astype(np.int32))
        self._predicted.append(predicted.astype(np.int32))
        self._probabilities.append(probabilities[np.arange(len(predicted)), predicted].astype(np.float32))

    def write(self, path: Path, keys: Iterable[str], class_names: Sequence[str]) -> None:
        """Writes a line for each example: `key`, `label`, `predicted`, and the `probability` of the latter.

        Args:
            path: A local file.
            keys: Of the examples, in their order.
            class_names: By index.

        Raises:
            ValueError: there are more or fewer keys than examples.
        """
        columns = (np.concatenate(part).tolist() for part in (self._labels, self._predicted, self._probabilities))
        with name_file(str(path)), path.open("w", encoding="utf-8") as file:
            for key, label, predicted, probability in zip(keys, *columns, strict=True):
                line = {"key": key, "label": class_names[label], "predicted": class_names[predicted]}
                file.write(json.dumps({**line, "probability": round(probability, 6)}, ensure_ascii=False) + "\n")
