from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.doctor.rates import (
    combine,
    find_slowest,
    hosts_needed,
    share_of_longest,
    share_waiting,
    share_work,
    summarise,
)

RATES = st.floats(1e-3, 1e9)
STAGES = st.dictionaries(st.sampled_from(["read", "parse", "decode", "transfer"]), RATES, min_size=1)
SECONDS = st.just(0.0) | st.floats(1e-9, 1e4)


def test_a_rate_is_the_median_of_its_windows() -> None:
    rate = summarise([(100, 1.0), (100, 2.0), (100, 4.0)])
    assert (rate.median, rate.slowest, rate.fastest) == (50.0, 25.0, 100.0)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(1e-6, 1e6)), min_size=1))
def test_a_median_lies_between_the_slowest_and_the_fastest(windows: list[tuple[int, float]]) -> None:
    rate = summarise(windows)
    assert 0 < rate.slowest <= rate.median <= rate.fastest


@pytest.mark.parametrize("windows", [[], [(0, 1.0)], [(5, 0.0)]])
def test_no_rate_is_made_of_nothing(windows: list[tuple[int, float]]) -> None:
    with pytest.raises(ValueError, match="at least one window"):
        summarise(windows)


@given(STAGES)
def test_the_slowest_stage_has_the_largest_share_of_the_work(rates: dict[str, float]) -> None:
    shares = share_work(rates)
    slowest = find_slowest(rates)
    assert rates[slowest] == min(rates.values())
    assert shares[slowest] == max(shares.values())
    assert math.isclose(sum(shares.values()), 1)


@given(STAGES)
def test_stages_that_share_cores_are_slower_than_each_alone(rates: dict[str, float]) -> None:
    together = combine(rates.values())
    assert together <= min(rates.values()) * (1 + 1e-12)
    assert together >= min(rates.values()) / len(rates) * (1 - 1e-12)


def test_two_equal_stages_give_half_the_rate() -> None:
    assert combine([300.0, 300.0]) == pytest.approx(150.0)


@given(RATES, RATES)
def test_so_many_hosts_are_enough_and_one_fewer_is_not(wanted: float, rate: float) -> None:
    hosts = hosts_needed(wanted, rate)
    assert hosts >= 1
    assert hosts * rate >= wanted * (1 - 1e-12)
    assert (hosts - 1) * rate < wanted


@pytest.mark.parametrize(
    ("wanted", "rate", "hosts"), [(1400, 1400, 1), (1401, 1400, 2), (7000, 1000, 7), (0.3, 0.1, 3)]
)
def test_hosts_by_hand(wanted: float, rate: float, hosts: int) -> None:
    assert hosts_needed(wanted, rate) == hosts


@given(st.lists(st.tuples(SECONDS, st.floats(1e-6, 1e4)), min_size=1))
def test_the_share_of_waiting_is_a_share(pairs: list[tuple[float, float]]) -> None:
    waits, steps = zip(*pairs, strict=True)
    share = share_waiting(waits, steps)
    assert 0 <= share < 1
    assert (share == 0) == (sum(waits) == 0)


def test_one_burst_is_all_of_the_waiting() -> None:
    assert share_of_longest([0.0] * 19 + [3.0], 0.1) == 1.0
    assert share_of_longest([1.0] * 20, 0.1) == pytest.approx(0.1)
    assert share_of_longest([0.0, 0.0], 0.1) == 0.0
    assert share_of_longest([2.0, 1.0, 1.0], 0.1) == 0.5


@given(st.lists(SECONDS, min_size=1), st.floats(0, 1))
def test_the_longest_have_no_less_than_their_part(seconds: list[float], part: float) -> None:
    share = share_of_longest(seconds, part)
    assert share == 0 if not any(seconds) else part * (1 - 1e-9) <= share <= 1


def test_a_quarter_of_the_time_is_spent_waiting() -> None:
    assert share_waiting([0.0, 0.5], [0.75, 0.75]) == 0.25
