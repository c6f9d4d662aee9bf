"""Times something that is done over and over."""

from __future__ import annotations

import time
from collections.abc import Callable

from trainer.doctor.rates import Rate, summarise

# The median of so many tells a hiccup of the machine from the rate.
NUM_WINDOWS = 5
# Of the time allowed, for caches, buffers and threads to fill.
_WARM_SHARE = 0.25


def time_rate(step: Callable[[], int], seconds: float, clock: Callable[[], float] = time.perf_counter) -> Rate:
    """Measures how many images a second a step gives.

    Args:
        step: Does something to a number of images, waits for its end, and returns that number.
        seconds: How long to go on; a quarter of it, and one step at least, warms up. Each window has one step at
            least, so slow ones take longer.
        clock: Returns seconds.
    """
    end = clock() + seconds * _WARM_SHARE
    step()
    while clock() < end:
        step()
    window_seconds = seconds * (1 - _WARM_SHARE) / NUM_WINDOWS
    return summarise([_time_window(step, window_seconds, clock) for _ in range(NUM_WINDOWS)])


def _time_window(step: Callable[[], int], seconds: float, clock: Callable[[], float]) -> tuple[int, float]:
    images = 0
    started = now = clock()
    while not images or now < started + seconds:
        images += step()
        now = clock()
    return images, now - started
