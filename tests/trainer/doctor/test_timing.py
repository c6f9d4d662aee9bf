from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.doctor.timing import NUM_WINDOWS, time_rate


class Clock:
    """Time that passes only when something is done."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(images=st.integers(1, 512), step_seconds=st.floats(1e-3, 1.0), seconds=st.floats(0.05, 5.0))
def test_a_steady_step_has_one_rate(images: int, step_seconds: float, seconds: float) -> None:
    clock = Clock()

    def step() -> int:
        clock.now += step_seconds
        return images

    rate = time_rate(step, seconds, clock)
    assert rate.slowest == pytest.approx(images / step_seconds)
    assert rate.fastest == pytest.approx(images / step_seconds)
    # No window runs over by more than a step.
    assert seconds <= clock.now - 1000 + 1e-6
    assert clock.now - 1000 <= seconds + (NUM_WINDOWS + 1) * step_seconds + 1e-6


def test_what_is_slow_at_first_does_not_count() -> None:
    clock = Clock()
    slow = iter([1.0])

    def step() -> int:
        clock.now += next(slow, 0.01)
        return 1

    assert time_rate(step, 2.0, clock).slowest == pytest.approx(100)


def test_one_hiccup_does_not_change_the_median() -> None:
    clock = Clock()
    numbers = iter(range(1_000_000))

    def step() -> int:
        clock.now += 1.0 if next(numbers) == 300 else 0.01
        return 1

    rate = time_rate(step, 5.0, clock)
    assert rate.median == pytest.approx(100)
    assert rate.slowest < 60
