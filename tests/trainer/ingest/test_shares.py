"""Shares of n records: every one comes once, and no worker has much more than another."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainer.ingest import shares

totals = st.integers(0, 10_000)
counts = st.integers(1, 64)


@given(total=totals, count=counts)
@example(total=0, count=3)
@example(total=2, count=3)
def test_cut_parts_follow_each_other_and_differ_by_one_at_most(total: int, count: int) -> None:
    parts = [range(*shares.cut(total, index, count)) for index in range(count)]
    assert [number for part in parts for number in part] == list(range(total))
    assert (min(map(len, parts)), max(map(len, parts))) == shares.sizes(total, count)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(total=totals, count=counts)
@example(total=2, count=3)
def test_dealt_out_shares_hold_everything_once_and_differ_by_one_at_most(total: int, count: int) -> None:
    parts = [shares.every_nth(total, index, count) for index in range(count)]
    assert sorted(number for part in parts for number in part) == list(range(total))
    assert (min(map(len, parts)), max(map(len, parts))) == shares.sizes(total, count)


@given(size=totals, batch_size=st.integers(1, 300))
def test_batches_hold_all_but_what_is_dropped(size: int, batch_size: int) -> None:
    batches = [range(size)[start : start + batch_size] for start in range(0, size, batch_size)]
    assert shares.num_batches(size, batch_size) == len(batches)
    full = [batch for batch in batches if len(batch) == batch_size]
    assert shares.num_batches(size, batch_size, drop_remainder=True) == len(full)


@pytest.mark.parametrize(("index", "part"), [(0, (0, 3)), (1, (3, 6)), (2, (6, 10))])
def test_the_longer_parts_come_last(index: int, part: tuple[int, int]) -> None:
    assert shares.cut(10, index, 3) == part
