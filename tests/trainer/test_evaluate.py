"""How predictions are compared with labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluate import count_confusions, summarise

NAMES = ("daisy", "roses", "tulips")


def one_hot(predictions: list[int], sure: float = 1.0) -> np.ndarray:
    rest = (1 - sure) / (len(NAMES) - 1)
    return np.where(np.eye(len(NAMES))[predictions] == 1, sure, rest).astype(np.float32)


def test_every_number_of_a_small_example() -> None:
    scores = summarise(np.array([0, 0, 0, 1], np.int32), one_hot([0, 0, 1, 1], 0.8), NAMES)
    assert scores["num_examples"] == 4
    assert scores["accuracy"] == 0.75
    assert scores["loss"] == pytest.approx(-(3 * np.log(0.8) + np.log(0.1)) / 4, rel=1e-6)
    assert scores["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert scores["classes"]["daisy"] == {
        "num_examples": 3,
        "num_predicted": 2,
        "precision": 1.0,
        "recall": 2 / 3,
        "f1": 0.8,
    }
    # Nothing to divide by is no 0 and no 1.
    assert scores["classes"]["tulips"] == {
        "num_examples": 0,
        "num_predicted": 0,
        "precision": None,
        "recall": None,
        "f1": None,
    }


def test_a_probability_of_nothing_is_a_finite_loss() -> None:
    loss = summarise(np.array([1]), one_hot([0]), NAMES)["loss"]
    assert loss == pytest.approx(-np.log(1e-7), rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_counts_add_up(pairs: list[tuple[int, int]]) -> None:
    labels, predictions = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    confusion = count_confusions(labels, predictions, 3)
    for true in range(3):
        for predicted in range(3):
            assert confusion[true, predicted] == pairs.count((true, predicted))
    scores = summarise(labels, one_hot(list(predictions)), NAMES)
    assert scores["accuracy"] == np.mean(labels == predictions)
    assert sum(entry["num_examples"] for entry in scores["classes"].values()) == len(pairs)
