"""The loop that notes waiting, with a clock of its own; real models are in test_examination.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trainer.doctor.rates import share_waiting
from trainer.doctor.training import follow


class Bench:
    """A clock, an input and a model, each of which takes its time."""

    def __init__(self, wait: float, step: float) -> None:
        self.now, self.wait, self.step_seconds, self.num_steps = 0.0, wait, step, 0

    def clock(self) -> float:
        return self.now

    def batches(self) -> Iterator[int]:
        while True:
            self.now += self.wait
            yield 0

    def step(self, batch: int) -> None:
        self.num_steps += 1
        # The first one compiles.
        self.now += 30.0 if self.num_steps == 1 else self.step_seconds


@pytest.mark.parametrize(("wait", "step", "expected"), [(0.0, 0.1, 30), (0.05, 0.05, 30), (1.0, 3.0, 8)])
def test_waiting_and_working_are_told_apart(wait: float, step: float, expected: int) -> None:
    bench = Bench(wait, step)
    waits, steps = follow(bench.step, bench.batches(), 3.0, bench.clock)
    assert len(waits) == len(steps)
    assert expected <= len(steps) <= expected + 1
    assert waits == pytest.approx([wait] * len(waits))
    assert steps == pytest.approx([step] * len(steps))
    assert share_waiting(waits, steps) == pytest.approx(wait / (wait + step))
