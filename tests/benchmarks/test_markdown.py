"""Numbers and tables as Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reporting import markdown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (1, "1.00"),
        (0.04999, "0.0500"),
        (0.9999, "1.00"),
        (9.999, "10.0"),
        (12.34, "12.3"),
        (99.97, "100"),
        (1234.5, "1,230"),
        (244_123, "244,000"),
        (-2.5, "-2.50"),
    ],
)
def test_three_digits(value: float, expected: str) -> None:
    assert markdown.number(value) == expected


@given(st.floats(1e-6, 1e9))
def test_what_is_written_is_what_was_meant(value: float) -> None:
    assert float(markdown.number(value).replace(",", "")) == pytest.approx(value, rel=0.005)


def test_shares_and_ratios() -> None:
    assert markdown.percent(0.0421) == "4.2 %"
    assert markdown.percent(1.0) == "100 %"
    assert markdown.times(1.268) == "1.27" + markdown.TIMES


def test_a_table() -> None:
    lines = markdown.table(["row", "s"], [["plain", "1"], ["cache", "2"]]).splitlines()
    assert lines == ["| row | s |", "| --- | ---: |", "| plain | 1 |", "| cache | 2 |"]


def test_one_round_is_no_median() -> None:
    assert markdown.medians(1) == "one round"
    assert markdown.medians(3) == "medians of 3 rounds"
