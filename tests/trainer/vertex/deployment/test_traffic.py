"""Shares of traffic: whole, positive, 100 together, and the same a second time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.vertex.deployment import traffic


@st.composite
def splits(draw: st.DrawFn) -> dict[str, int]:
    """A split of 1 to 8 deployed models."""
    cuts = draw(st.lists(st.integers(1, 99), max_size=7, unique=True))
    edges = [0, *sorted(cuts), 100]
    shares = [end - start for start, end in itertools.pairwise(edges)]
    return {str(number + 1): share for number, share in enumerate(shares)}


@given(splits(), st.sampled_from(["0", "1"]), st.integers(1, 92))
def test_shares_sum_to_100_and_nobody_is_lost(split: dict[str, int], name: str, share: int) -> None:
    after = traffic.assign_share(split, name, share)
    assert sum(after.values()) == 100
    assert min(after.values()) >= 1
    assert set(after) == {*split, name}
    others = {key: value for key, value in split.items() if key != name}
    assert after[name] == (share if others else 100)
    assert traffic.assign_share(after, name, share) == after


@given(splits(), st.integers(1, 92))
def test_larger_shares_stay_larger(split: dict[str, int], share: int) -> None:
    after = traffic.assign_share(split, traffic.NEW, share)
    for one, mine in split.items():
        for other, theirs in split.items():
            if mine > theirs:
                assert after[one] >= after[other] - 1


@pytest.mark.parametrize(
    ("split", "share", "after"),
    [
        ({}, 10, {"0": 100}),
        ({"1": 100}, 10, {"1": 90, "0": 10}),
        ({"1": 90, "2": 10}, 10, {"1": 81, "2": 9, "0": 10}),
        ({"1": 90, "2": 10}, 100, {"0": 100}),
        ({"1": 99, "2": 1}, 50, {"1": 49, "2": 1, "0": 50}),
        ({"1": 100, "2": 0}, 50, {"1": 50, "0": 50}),
    ],
)
def test_examples(split: dict[str, int], share: int, after: dict[str, int]) -> None:
    assert traffic.assign_share(split, "0", share) == after


@pytest.mark.parametrize("share", [0, 101, 99])
def test_a_share_that_leaves_nothing(share: int) -> None:
    with pytest.raises(ValueError, match=f"a share of {share} %"):
        traffic.assign_share({"1": 50, "2": 50}, "0", share)
