"""The confusion matrix, in memory that grows with the pairs that occur, not with all possible ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np


class Confusion:
    """Counts pairs of a true and a predicted class, batch by batch.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        # By true class times C plus predicted class. A table of all pairs of 20,000 classes would take 3 GB.
        self._pairs: Counter[int] = Counter()

    def add(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Counts a batch.

        Args:
            labels: int, (B,), 0 to C - 1.
            predictions: int, (B,), 0 to C - 1.
        """
        self._pairs.update((labels.astype(np.int64) * self._num_classes + predictions).tolist())

    def score(self) -> list[dict[str, Any]]:
        """Returns for each class `num_examples`, `num_predicted`, `precision`, `recall`, `f1`, as JSON's types.

        A measure is None where there is nothing to divide by.
        """
        true, predicted, counts = self._columns()
        num_examples, num_predicted, num_right = (
            np.bincount(classes, weights, self._num_classes).astype(np.int64).tolist()
            for classes, weights in (
                (true, counts),
                (predicted, counts),
                (true[true == predicted], counts[true == predicted]),
            )
        )
        return [_score(*each) for each in zip(num_examples, num_predicted, num_right, strict=True)]

    def blocks(self, size: int = 1) -> np.ndarray:
        """Returns the counts, `size` neighbouring classes together.

        Returns:
            int64, (K, K), K being C / size, rounded up: true classes down, predicted ones across.
        """
        true, predicted, counts = self._columns()
        length = -(-self._num_classes // size)
        summed = np.zeros((length, length), np.int64)
        np.add.at(summed, (true // size, predicted // size), counts)
        return summed

    def most_frequent(self, number: int) -> list[tuple[int, int, int]]:
        """Returns the most frequent mistakes: true class, predicted class, count; at most `number` of them."""
        mistakes = (
            (-count, *divmod(pair, self._num_classes))
            for pair, count in self._pairs.items()
            if pair % (self._num_classes + 1)
        )
        return [(true, predicted, -count) for count, true, predicted in sorted(mistakes)[:number]]

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns true classes, predicted classes and counts, int64 each."""
        pairs = np.fromiter(self._pairs.keys(), np.int64, len(self._pairs))
        counts = np.fromiter(self._pairs.values(), np.int64, len(self._pairs))
        return pairs // self._num_classes, pairs % self._num_classes, counts


def _score(num_examples: int, num_predicted: int, num_right: int) -> dict[str, Any]:
    return {
        "num_examples": num_examples,
        "num_predicted": num_predicted,
        "precision": num_right / num_predicted if num_predicted else None,
        "recall": num_right / num_examples if num_examples else None,
        "f1": 2 * num_right / (num_examples + num_predicted) if num_examples + num_predicted else None,
    }
