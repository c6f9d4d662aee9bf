from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.steps import Totals
from trainer.training.throughput import ThroughputMeter, steps_between_readings


@pytest.mark.parametrize(
    ("steps_per_epoch", "num_epochs", "is_remote", "expected"),
    [(1, 5, False, 1), (5, 10, False, 1), (50, 10, False, 5), (1000, 3, False, 20), (50, 10, True, 20)],
)
def test_short_epochs_are_read_more_often(
    steps_per_epoch: int, num_epochs: int, is_remote: bool, expected: int
) -> None:
    assert steps_between_readings(steps_per_epoch, steps_per_epoch * num_epochs, is_remote=is_remote) == expected


@given(st.integers(1, 10**7), st.integers(1, 10**4), st.booleans())
def test_a_run_has_at_most_so_many_readings(steps_per_epoch: int, num_epochs: int, is_remote: bool) -> None:
    num_steps = steps_per_epoch * num_epochs
    assert num_steps / steps_between_readings(steps_per_epoch, num_steps, is_remote=is_remote) <= 2_000


def test_a_reading_is_of_the_steps_since_the_last_one() -> None:
    totals = Totals(("loss",), np.array([8.0, 0.0, 0.0, 16.0]))
    meter = ThroughputMeter(3, totals, every=2)
    assert meter.read(4, totals) is None
    totals = Totals(("loss",), np.array([24.0, 0.0, 0.0, 64.0]))
    measured = meter.read(5, totals)
    assert measured is not None
    assert measured["loss"] == 3.0
    assert meter.read(6, totals) is None
