from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.plan.sharding import assign_shards, num_shards, settle, shard_hash, split_for, split_hash

SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}


def digests(count: int) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


def test_hashes_are_the_ones_that_existing_data_sets_were_made_with() -> None:
    # Remake: python -c "from etl.plan.sharding import *; print(split_hash('00', 7), shard_hash('00', 'a/b.jpg', 7))"
    assert split_hash("00", 7) == 15663315127638098679
    assert shard_hash("00", "a/b.jpg", 7) == 15379751106996091933


def test_splits_have_their_shares() -> None:
    counts = Counter(split_for(digest, 3, SPLITS) for digest in digests(20_000))
    for name, share in SPLITS.items():
        assert counts[name] / 20_000 == pytest.approx(share, abs=0.01)


def test_a_split_depends_on_content_and_seed_alone() -> None:
    one = [split_for(digest, 1, SPLITS) for digest in digests(200)]
    assert one == [split_for(digest, 1, SPLITS) for digest in digests(200)]
    assert one != [split_for(digest, 2, SPLITS) for digest in digests(200)]


def test_growing_a_data_set_moves_nobody_between_splits() -> None:
    before = {digest: split_for(digest, 5, SPLITS) for digest in digests(100)}
    after = {digest: split_for(digest, 5, SPLITS) for digest in digests(300)}
    assert before == {digest: after[digest] for digest in before}


def test_order_is_independent_of_the_split() -> None:
    train = [d for d in digests(4_000) if split_for(d, 0, SPLITS) == "train"]
    places = [shard_hash(digest, "k", 0) / 2**64 for digest in train]
    assert sum(places) / len(places) == pytest.approx(0.5, abs=0.02)


def test_copies_of_one_image_are_spread_but_share_a_split() -> None:
    assert shard_hash("aa", "one.jpg", 0) != shard_hash("aa", "two.jpg", 0)


@given(st.binary(max_size=20).map(bytes.hex), st.integers(), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_every_image_has_exactly_one_split(digest: str, seed: int, weights: list[int]) -> None:
    fractions = {f"s{number}": weight / sum(weights) for number, weight in enumerate(weights)}
    assert split_for(digest, seed, fractions) in fractions


@pytest.mark.parametrize(
    ("total", "target", "count"), [(0, 100, 1), (40, 100, 1), (149, 100, 1), (151, 100, 2), (1000, 100, 10)]
)
def test_num_shards_is_the_nearest(total: int, target: int, count: int) -> None:
    assert num_shards(total, target) == count


@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=300), st.integers(1, 40))
def test_shards_are_dense_runs(sizes: list[int], count: int) -> None:
    shards = list(assign_shards(sizes, sum(sizes), count))
    assert shards[0] == 0
    assert max(shards) < count
    assert all(step in (0, 1) for step in (b - a for a, b in itertools.pairwise(shards)))


@given(st.lists(st.integers(900, 1_100), min_size=400, max_size=800), st.integers(1, 7))
def test_shards_are_even(sizes: list[int], count: int) -> None:
    shards = list(assign_shards(sizes, sum(sizes), count))
    bytes_of = Counter[int]()
    for shard, size in zip(shards, sizes, strict=True):
        bytes_of[shard] += size
    assert len(bytes_of) == count
    for total in bytes_of.values():
        assert total == pytest.approx(sum(sizes) / count, rel=0.1)


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_shards_of_photographs_are_even(count: int) -> None:
    # File sizes spread like those of the flowers set: 65 kB, give or take 49.
    sizes = [round(size) for size in np.random.default_rng(3).lognormal(10.85, 0.66, 30_000)]
    bytes_of = Counter[int]()
    for shard, size in zip(assign_shards(sizes, sum(sizes), count), sizes, strict=True):
        bytes_of[shard] += size
    assert len(bytes_of) == count
    for total in bytes_of.values():
        assert total == pytest.approx(sum(sizes) / count, rel=0.1)


def test_a_giant_image_makes_fewer_shards_not_empty_ones() -> None:
    assert list(assign_shards([1, 1, 1_000, 1, 1], 1_004, 5)) == [0, 0, 1, 2, 2]


shares = st.dictionaries(st.sampled_from(["train", "validation", "test", "dev"]), st.floats(0.01, 1), min_size=1)


@given(st.sampled_from([None, "test", "train", "train+validation"]), st.text(), st.integers(), shares)
def test_settle_chooses_among_what_is_assigned(
    assigned: str | None, digest: str, seed: int, fractions: dict[str, float]
) -> None:
    chosen = settle(assigned, digest, seed, fractions)
    if assigned is None:
        assert chosen in fractions
    else:
        assert chosen in assigned.split("+")
    assert chosen == settle(assigned, digest, seed, dict(fractions))


def test_settle_keeps_the_shares_between_the_splits() -> None:
    fractions = {"train": 0.6, "validation": 0.2, "test": 0.2}
    chosen = Counter(settle("train+validation", str(index), 5, fractions) for index in range(4000))
    # Three standard deviations of a quarter of 4,000 are 82.
    assert set(chosen) == {"train", "validation"}
    assert abs(chosen["validation"] - 1000) < 82
    assert settle("train+validation", "x", 5, {"train": 1.0}) == "train"
    assert settle("train+validation", "x", 5, {"all": 1.0}) == "train"
