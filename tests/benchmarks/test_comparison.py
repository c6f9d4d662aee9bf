"""Ratios and orders, ours beside the chapter's."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reporting.comparison import Swap, describe_swaps, find_swaps, overlap, speed_ups
from benchmarks.reporting.results import Row

THEIRS = {"plain": 8.0, "parallel": 6.0, "interleave": 5.0}


def make_rows(**seconds: float) -> list[Row]:
    return [
        Row("7-1", name, position, wall, wall, (wall - 0.1, wall, wall + 0.1), {})
        for position, (name, wall) in enumerate(seconds.items())
    ]


def test_speed_ups_refer_to_the_first_row() -> None:
    assert speed_ups([8.0, 4.0, 16.0]) == [1.0, 2.0, 0.5]


def test_an_equal_order_has_no_swaps() -> None:
    assert find_swaps(make_rows(plain=4.0, parallel=3.0, interleave=2.0), THEIRS) == []


def test_a_swap_names_the_slower_row_first() -> None:
    rows = make_rows(plain=4.0, parallel=2.0, interleave=3.0)
    assert find_swaps(rows, THEIRS) == [Swap(slower="interleave", faster="parallel", within_spread=False)]


def test_a_swap_within_the_rounds_is_marked() -> None:
    (swap,) = find_swaps(make_rows(plain=4.0, parallel=2.0, interleave=2.1), THEIRS)
    assert swap.within_spread


def test_rows_that_only_we_have_do_not_count() -> None:
    assert find_swaps(make_rows(plain=4.0, rewritten=1.0, parallel=3.0), THEIRS) == []


def test_rows_that_are_equal_there_have_no_order() -> None:
    assert find_swaps(make_rows(plain=1.0, parallel=2.0), {"plain": 3.0, "parallel": 3.0}) == []


@given(st.permutations(sorted(THEIRS)))
def test_there_are_as_many_swaps_as_inversions(order: list[str]) -> None:
    rows = make_rows(**{name: 10.0 - place for place, name in enumerate(order)})
    inversions = sum(THEIRS[one] < THEIRS[other] for one, other in itertools.combinations(order, 2))
    assert len(find_swaps(rows, THEIRS)) == inversions


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1.0, 2.0), (2.0, 3.0), True),
        ((1.0, 2.0), (2.1, 3.0), False),
        ((1.0, 9.0), (2.0, 3.0), True),
        ((), (1.0,), False),
    ],
)
def test_overlap_is_symmetric(one: tuple[float, ...], other: tuple[float, ...], expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def test_swaps_in_words() -> None:
    assert describe_swaps([]) == "the chapter's"
    swaps = [Swap("a", "b", within_spread=True), Swap("c", "d", within_spread=False)]
    expected = "not the chapter's: “a” is slower than “b” (their rounds overlap); “c” is slower than “d”"
    assert describe_swaps(swaps) == expected
