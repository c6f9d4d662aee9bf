"""Measures a run between two ends of epochs: the loss of the last steps, images a second, waiting."""

from __future__ import annotations

import time

from trainer.training.steps import Totals

# Steps from one reading to the next, unless an epoch or the whole run needs others.
_USUAL_STEPS = 20
# An epoch with fewer would be a line between two points.
_READINGS_OF_AN_EPOCH = 10
# TensorBoard shows a thousand of a curve; each also costs a write, and disk.
_MOST_READINGS = 2_000


def steps_between_readings(steps_per_epoch: int, num_steps: int, *, is_remote: bool = False) -> int:
    """Returns the steps between two readings: 20, or fewer for 10 readings an epoch; more for 2,000 a run at most.

    Args:
        steps_per_epoch: 1 or more.
        num_steps: Of the whole run.
        is_remote: Whether each reading is an upload, which is not worth fewer steps.
    """
    usual = _USUAL_STEPS if is_remote else max(1, min(_USUAL_STEPS, steps_per_epoch // _READINGS_OF_AN_EPOCH))
    return max(usual, -(-num_steps // _MOST_READINGS))


class ThroughputMeter:
    """Reads a run's totals now and then.

    Args:
        step: Steps done in the whole run.
        totals: Of the epoch so far.
        every: Steps from one reading to the next.
    """

    def __init__(self, step: int, totals: Totals, every: int = _USUAL_STEPS) -> None:
        self._every = every
        self._keep(step, totals)

    def read(self, step: int, totals: Totals) -> dict[str, float] | None:
        """Measures what was done since the last reading.

        Args:
            step: Steps done in the whole run.
            totals: Of the epoch so far.

        Returns:
            The metrics' means, `images_per_second` and `input_wait_share`; None until enough steps have been done.
        """
        if step - self._step < self._every:
            return None
        seconds = max(1e-6, time.monotonic() - self._time)
        since = totals.since(self._sums)
        self._keep(step, totals)
        return {
            **since.means(),
            "images_per_second": since.num_examples / seconds,
            "input_wait_share": min(1.0, since.wait_seconds / seconds),
        }

    def _keep(self, step: int, totals: Totals) -> None:
        self._step, self._sums, self._time = step, totals.sums, time.monotonic()
