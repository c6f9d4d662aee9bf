"""The split and the shard that an image belongs to: pure arithmetic, no I/O.

Both choices are functions of the image's content and key, the seed and the sizes alone, so that any runner, any number
of workers and any rerun make the same data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

_HASH_BYTES = 8
_HASH_RANGE = 1 << (8 * _HASH_BYTES)

# Two salts, so that the order within and over shards says nothing about the split.
_SPLIT_SALT = b"petal-split"
_SHARD_SALT = b"petal-shard"


def split_hash(digest: str, seed: int) -> int:
    """Hashes an image's content for the choice of its split: 0 to 2**64 - 1."""
    return _hash64(_SPLIT_SALT, seed, digest)


def shard_hash(digest: str, key: str, seed: int) -> int:
    """Hashes content and key for the place in the global order: 0 to 2**64 - 1.

    The key takes part so that copies of one image are spread like any other images.
    """
    return _hash64(_SHARD_SALT, seed, f"{digest}/{key}")


def split_for(digest: str, seed: int, fractions: Mapping[str, float]) -> str:
    """Chooses the split of an image from its content.

    Args:
        digest: The hexadecimal digest of the whole file, so that exact copies share a split.
        seed: Another seed draws other splits.
        fractions: Split name to share, in order; the shares add up to 1.

    Returns:
        One of the names in `fractions`.
    """
    point = split_hash(digest, seed)
    total = sum(fractions.values())
    reached = 0.0
    for name, fraction in fractions.items():
        reached += fraction
        if point < round(reached / total * _HASH_RANGE):
            return name
    # Rounding of the last sum can leave a sliver below 2**64.
    return list(fractions)[-1]


def settle(assigned: str | None, digest: str, seed: int, fractions: Mapping[str, float]) -> str:
    """Settles the split of an image, now that its content is known.

    Args:
        assigned: The image's `split`: one name is final, several joined by `+` leave the choice among these, None
            among all.
        digest: The hexadecimal digest of the whole file, so that exact copies share a split where it is chosen.
        seed: Another seed chooses otherwise.
        fractions: Split name to share. Between several names, their own shares decide: 0.8 and 0.1 give 8 to 1. A name
            without a share gets nothing, unless none of the names has one; then the first gets all.
    """
    if assigned is None:
        return split_for(digest, seed, fractions)
    names = assigned.split("+")
    shares = {name: fractions[name] for name in names if name in fractions}
    return split_for(digest, seed, shares) if shares else names[0]


def num_shards(total_bytes: int, target_bytes: int) -> int:
    """Returns the number of shards that brings each nearest to `target_bytes`; at least one."""
    return max(1, round(total_bytes / target_bytes))


def assign_shards(sizes: Iterable[int], total_bytes: int, count: int) -> Iterator[int]:
    """Cuts a sequence of records into at most `count` runs of even byte size.

    A record belongs to the run in which its middle byte lies, so that no cut is off by more than half a record. A
    record larger than `total_bytes / count` makes fewer, larger runs rather than empty ones.

    Args:
        sizes: Encoded bytes of each record, in order.
        total_bytes: Their sum.
        count: The number of runs wanted.

    Yields:
        For each record its shard's index: 0, then never falling and never rising by more than one.
    """
    done = 0
    shard = -1
    reached = -1
    for size in sizes:
        nominal = min(count - 1, (2 * done + size) * count // max(1, 2 * total_bytes))
        if nominal > reached:
            reached = nominal
            shard += 1
        yield shard
        done += size


def _hash64(salt: bytes, seed: int, text: str) -> int:
    state = hashlib.blake2b(f"{seed}/{text}".encode(), digest_size=_HASH_BYTES, person=salt)
    return int.from_bytes(state.digest(), "big")
