"""Our rows beside the chapter's: ratios, and whether the order is the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.reporting.results import Row


@dataclass(frozen=True, slots=True)
class Swap:
    """Two rows whose order differs.

    Attributes:
        slower: The row that is slower here and faster there.
        faster: The other one.
        within_spread: Whether the rounds of the two overlap, so that another run may order them otherwise.
    """

    slower: str
    faster: str
    within_spread: bool


def speed_ups(seconds: Sequence[float]) -> list[float]:
    """Returns how many times as fast as the first row each row is."""
    return [seconds[0] / one for one in seconds]


def find_swaps(rows: Sequence[Row], theirs: Mapping[str, float]) -> list[Swap]:
    """Compares the order of rows by wall time.

    Args:
        rows: Ours.
        theirs: Name to wall seconds; rows of ours that are not in it don't count.

    Returns:
        Every pair of rows that the other table orders the other way; rows that are equal there have no order.
    """
    swaps = []
    for one, other in itertools.combinations([row for row in rows if row.name in theirs], 2):
        difference = theirs[one.name] - theirs[other.name]
        if difference * (one.wall_seconds - other.wall_seconds) < 0:
            slower, faster = sorted((one, other), key=lambda row: row.wall_seconds, reverse=True)
            swaps.append(Swap(slower.name, faster.name, overlap(slower.wall_rounds, faster.wall_rounds)))
    return swaps


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Returns whether the ranges of two rows' rounds have a point in common."""
    return bool(one and other) and min(one) <= max(other) and min(other) <= max(one)


def describe_swaps(swaps: Sequence[Swap]) -> str:
    """Says in words what `find_swaps` found."""
    if not swaps:
        return "the chapter's"
    pairs = [
        f"“{swap.slower}” is slower than “{swap.faster}”" + (" (their rounds overlap)" if swap.within_spread else "")
        for swap in swaps
    ]
    return "not the chapter's: " + "; ".join(pairs)
