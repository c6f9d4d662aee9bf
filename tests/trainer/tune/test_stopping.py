"""The median rule."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result
from trainer.tune.spec import Stopping
from trainer.tune.stopping import MedianRule

MEDIAN = Stopping("medianAutomatedStoppingSpec")
CURVES = st.lists(st.sampled_from([step / 10 for step in range(11)]), min_size=8, max_size=8)


def make(curve: list[float], state: str = COMPLETED) -> Result:
    return Result(1, {}, state, curve[-1], dict(enumerate(curve, 1)), 0.0)


@settings(max_examples=50)
@given(others=st.lists(CURVES, min_size=4, max_size=7), own=CURVES, is_maximised=st.booleans())
def test_the_first_epoch_after_a_quarter_whose_best_is_worse_than_the_median(
    others: list[list[float]], own: list[float], is_maximised: bool
) -> None:
    rule = MedianRule(MEDIAN, [make(curve) for curve in others], 8, is_maximised=is_maximised)
    sign = 1 if is_maximised else -1
    hopeless = [
        epoch
        for epoch in range(2, 9)
        if max(sign * value for value in own[:epoch]) < sign * statistics.median(curve[epoch - 1] for curve in others)
    ]
    assert rule.find(dict(enumerate(own, 1))) == (hopeless[0] if hopeless else None)
    # Seen too late or in time, it is the same epoch.
    for seen in range(9):
        expected = hopeless[0] if hopeless and hopeless[0] <= seen else None
        assert rule.find(dict(enumerate(own[:seen], 1))) == expected


@pytest.mark.parametrize(
    ("known", "epoch"),
    [
        ([make([0.9] * 8)] * 4, 2),
        ([make([0.9] * 8)] * 3, None),
        ([make([0.9] * 8)] * 3 + [make([0.9], STOPPED), make([0.9], FAILED)], None),
        ([], None),
    ],
)
def test_only_completed_trials_count_and_four_of_them(known: list[Result], epoch: int | None) -> None:
    assert MedianRule(MEDIAN, known, 8, is_maximised=True).find(dict.fromkeys(range(1, 9), 0.1)) == epoch


def test_the_file_may_say_when_it_begins() -> None:
    stopping = Stopping("convexAutomatedStoppingSpec", 5, 1)
    values = dict.fromkeys(range(1, 9), 0.1)
    assert MedianRule(stopping, [make([0.9] * 8)], 8, is_maximised=True).find(values) == 5
