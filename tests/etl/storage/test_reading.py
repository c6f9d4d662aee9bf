from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from etl.storage import reading
from etl.storage.reading import is_slow, read_ahead


def test_results_come_in_order_however_long_each_takes() -> None:
    def read(number: int) -> int:
        time.sleep(0.002 * (number % 5))
        return number * 10

    pairs = list(read_ahead(read, range(500), lambda _: 1))
    assert [number for number, _ in pairs] == list(range(500))
    assert [future.result() for _, future in pairs] == [number * 10 for number in range(500)]


def test_many_are_read_at_once_and_bytes_bound_how_many() -> None:
    lock, most, now = threading.Lock(), 0, 0

    def read(number: int) -> int:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return number

    for _, future in read_ahead(read, range(200), lambda _: 1):
        future.result()
    assert 8 < most <= reading.NUM_READERS
    most = 0
    # Two fit, a third doesn't; one that is too large by itself is read all the same.
    for _, future in read_ahead(read, range(20), lambda number: reading._MAX_BYTES // (2 if number else 1) + number):
        future.result()
    assert most <= 2


def test_items_are_taken_only_as_far_as_they_are_read_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number

    stream = read_ahead(lambda number: number, items(), lambda _: reading._MAX_BYTES // 10)
    for _ in range(5):
        next(stream)
    assert taken <= 20
    stream.close()  # type: ignore[attr-defined]


def test_what_a_read_raises_is_raised_at_its_item() -> None:
    def read(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    futures = [future for _, future in read_ahead(read, range(6), lambda _: 1)]
    assert [futures[number].result() for number in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]
    with pytest.raises(ValueError, match="three"):
        futures[3].result()


def test_what_is_waited_for() -> None:
    assert is_slow("gs://bucket/x")
    assert not is_slow("/photos/x")
    assert not is_slow("synthetic://3")
