"""The arithmetic of the doctor: from measured rates to what binds, and by how much. No clocks, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second: the median of several windows of time, the slowest and the fastest of them; all above 0."""

    median: float
    slowest: float
    fastest: float


def summarise(windows: Iterable[tuple[float, float]]) -> Rate:
    """Summarises windows of (images, seconds).

    Raises:
        ValueError: there is no window, or one without images or time.
    """
    rates = [images / seconds for images, seconds in windows if images > 0 and seconds > 0]
    if not rates:
        raise ValueError("a rate needs at least one window with images and seconds")
    return Rate(median(rates), min(rates), max(rates))


def find_slowest(rates: Mapping[str, float]) -> str:
    """Returns the name of the lowest rate, the first of equals.

    Raises:
        ValueError: there are none.
    """
    return min(rates, key=lambda name: rates[name])


def share_work(rates: Mapping[str, float]) -> dict[str, float]:
    """Returns each stage's share of the time that one image takes in all of them, adding up to 1.

    Args:
        rates: Stage to images a second, each alone on the whole machine; above 0.
    """
    total = math.fsum(1 / rate for rate in rates.values())
    return {name: 1 / rate / total for name, rate in rates.items()}


def combine(rates: Iterable[float]) -> float:
    """Returns the rate of several stages that share the same cores: 1 over the sum of their times for an image."""
    return 1 / math.fsum(1 / rate for rate in rates)


def share_waiting(waits: Sequence[float], steps: Sequence[float]) -> float:
    """Returns which share of the training time is spent waiting for input, 0 to 1.

    Args:
        waits: Seconds before each step in which the model had nothing to do.
        steps: Seconds that each step itself took.
    """
    waited = math.fsum(waits)
    return waited / (waited + math.fsum(steps))


def share_of_longest(seconds: Sequence[float], part: float) -> float:
    """Returns which share of a total falls on its largest addends.

    Args:
        seconds: What is added up, none of it negative.
        part: Which part of the addends counts as the largest, 0 to 1; one of them at least.

    Returns:
        0 to 1; 0 where the total is 0.
    """
    longest = sorted(seconds, reverse=True)[: max(1, math.ceil(part * len(seconds)))]
    total = math.fsum(seconds)
    return math.fsum(longest) / total if total else 0.0


def hosts_needed(wanted: float, rate: float) -> int:
    """Returns how many hosts of `rate` images a second together give at least `wanted`."""
    hosts = math.ceil(wanted / rate)
    # The quotient is rounded, and may have been rounded up across a whole number.
    return hosts - 1 if (hosts - 1) * rate >= wanted else hosts
