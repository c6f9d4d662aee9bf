"""Tells pytest-benchmark what was measured.

It times one function after the other; the rows of a table take turns instead, in processes of their own. So a row's
test runs nothing: its timer gives out the wall times that were measured, and all else goes into `extra_info`.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.processes import Measurement
from benchmarks.harness.sizes import Size

Measured = Mapping[str, Sequence[Measurement]]

_NUM_DIGITS = 4
_edges: deque[float] = deque()


def replayed_seconds() -> float:
    """The timer: the start and the end of each round in turn, as measured elsewhere."""
    return _edges.popleft()


# For a module's `pytestmark`.
REPLAYED = pytest.mark.benchmark(timer=replayed_seconds)


def record(benchmark: BenchmarkFixture, table: str, row: str, measured: Measured, size: Size, **info: Any) -> None:
    """Records one row.

    Args:
        benchmark: Of the row's test, in a module that is marked `REPLAYED`.
        table: The table's identifier, such as "7-1".
        row: Its name, a key of `measured`; the first key is the row that speed-ups refer to.
        measured: All rows of the table.
        size: How much was measured.
        info: More for `extra_info`.
    """
    rounds = measured[row]
    walls, cpus = [one.wall_seconds for one in rounds], [one.cpu_seconds for one in rounds]
    _edges.clear()
    for wall in walls:
        _edges.extend((0.0, wall))
    benchmark.group = f"table {table}" if table[0].isdigit() else table
    benchmark.pedantic(lambda: None, rounds=len(rounds))
    benchmark.extra_info |= {
        "table": table,
        "row": row,
        "position": list(measured).index(row),
        "wall_seconds": _rounded(statistics.median(walls)),
        "cpu_seconds": _rounded(statistics.median(cpus)),
        "wall_rounds": [_rounded(wall) for wall in walls],
        "cpu_rounds": [_rounded(cpu) for cpu in cpus],
        "speed_up": ratio([one.wall_seconds for one in next(iter(measured.values()))], walls),
        "size": size.name,
        **info,
    }


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Returns the median of the quotients, round by round."""
    return _rounded(statistics.median(one / other for one, other in zip(numerators, denominators, strict=True)))


def record_rate(benchmark: BenchmarkFixture, table: str, row: str, measured: Measured, size: Size, **info: Any) -> None:
    """Records one row that says how many items it made in how many seconds; its times are those of 1,000 items."""
    rates = rates_of(measured[row])
    info = {"items_a_second": _rounded(statistics.median(rates)), "rate_rounds": list(map(_rounded, rates)), **info}
    scaled = {name: [_of_a_thousand(one) for one in rounds] for name, rounds in measured.items()}
    record(benchmark, table, row, scaled, size, times_of="1,000 items", **info)


def _of_a_thousand(one: Measurement) -> Measurement:
    wall = 1_000 * one.facts["seconds"] / one.facts["num_items"]
    # As busy as over the whole row, whose beginning isn't counted.
    return Measurement(wall, one.cpu_seconds / one.wall_seconds * wall, one.facts)


def median_fact(rounds: Sequence[Measurement], name: str) -> float:
    """Returns the median of one fact over the rounds."""
    return _rounded(statistics.median(one.facts[name] for one in rounds))


def rates_of(rounds: Sequence[Measurement]) -> list[float]:
    """Returns the items a second of each round."""
    return [one.facts["num_items"] / one.facts["seconds"] for one in rounds]


def _rounded(value: float) -> float:
    return float(f"{value:.{_NUM_DIGITS}g}")
