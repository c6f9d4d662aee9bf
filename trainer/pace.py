"""How a run goes between two epochs' ends: the loss of the last steps, images a second, waiting."""

from __future__ import annotations

import time

from trainer.steps import Totals

# Steps from one reading to the next.
_EVERY = 20


class Pace:
    """Reads an epoch's totals now and then.

    Args:
        step: Steps done in the whole run.
        totals: Of the epoch so far.
    """

    def __init__(self, step: int, totals: Totals) -> None:
        self._keep(step, totals)

    def read(self, step: int, totals: Totals) -> dict[str, float] | None:
        """Measures what was done since the last reading.

        Args:
            step: Steps done in the whole run.
            totals: Of the epoch so far.

        Returns:
            The metrics' means, `images_per_second` and `input_wait_share`; None until enough steps have been done.
        """
        if step - self._step < _EVERY:
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
