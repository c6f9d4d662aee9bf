from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.parallel import ordered_map


@settings(max_examples=30)
@given(st.lists(st.integers(), max_size=60), st.integers(1, 5))
def test_order_is_kept(items: list[int], num_threads: int) -> None:
    for chunk_size in (1, 7):
        assert list(ordered_map(lambda item: item * 2, items, num_threads, chunk_size)) == [item * 2 for item in items]


def test_no_more_is_taken_ahead_than_is_worked_on() -> None:
    taken = []

    def source() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    results = ordered_map(lambda item: item, source(), 2)
    assert next(results) == 0
    assert len(taken) <= 17
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_items_place_and_ends_the_work() -> None:
    done = []

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the third")
        time.sleep(0.001)
        done.append(item)
        return item

    results = ordered_map(work, range(1_000), 2)
    got = [next(results) for _ in range(3)]
    with pytest.raises(ValueError, match="the third"):
        next(results)
    assert got == [0, 1, 2]
    assert len(done) < 50


def test_one_thread_is_this_one() -> None:
    assert list(ordered_map(lambda _: threading.current_thread().name, [1], 1)) == [threading.current_thread().name]
