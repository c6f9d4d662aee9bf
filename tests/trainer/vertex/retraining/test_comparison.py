"""The comparison of two models, and the facts that it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.vertex.retraining import comparison
from trainer.vertex.retraining.comparison import Score

VALUES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("evaluation", "score"),
    [
        ({"accuracy": 0.5, "loss": 1.0, "fingerprint": "f"}, Score("accuracy", 0.5, "f")),
        ({"mse": 0.1, "grey_mse": 0.2}, Score("mse", 0.1)),
        ({"accuracy": 1}, Score("accuracy", 1.0)),
        ({"accuracy": None}, None),
        ({}, None),
    ],
)
def test_the_first_metric_counts(evaluation: dict[str, object], score: Score | None) -> None:
    assert comparison.read_score(evaluation) == score


@given(VALUES, VALUES)
def test_of_two_one_is_not_worse(one: float, other: float) -> None:
    for metric in comparison.METRICS:
        first, second = Score(metric, one), Score(metric, other)
        assert comparison.is_not_worse(first, first, 0)
        assert comparison.is_not_worse(first, second, 0) or comparison.is_not_worse(second, first, 0)


def test_more_accuracy_and_less_error_are_better() -> None:
    assert comparison.is_not_worse(Score("accuracy", 0.9), Score("accuracy", 0.8), 0)
    assert not comparison.is_not_worse(Score("accuracy", 0.8), Score("accuracy", 0.9), 0.05)
    assert comparison.is_not_worse(Score("accuracy", 0.875), Score("accuracy", 0.9), 0.05)
    assert comparison.is_not_worse(Score("mse", 0.1), Score("mse", 0.2), 0)
    assert not comparison.is_not_worse(Score("mse", 0.2), Score("mse", 0.1), 0.05)


def test_different_metrics_are_not_compared() -> None:
    with pytest.raises(ConfigError, match="--endpoint: got 'mse', expected a model that is measured by accuracy"):
        comparison.is_not_worse(Score("accuracy", 0.9), Score("mse", 0.1), 0)


@pytest.mark.parametrize(("one", "other", "same"), [("a", "a", True), ("a", "b", False), ("", "b", True)])
def test_scores_of_different_data_are_told(one: str, other: str, same: bool) -> None:
    assert comparison.is_comparable(Score("accuracy", 1, one), Score("accuracy", 1, other)) is same
