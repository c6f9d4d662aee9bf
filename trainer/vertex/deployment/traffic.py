"""The traffic split of an endpoint: whole per cents that always sum to 100."""

from __future__ import annotations

from collections.abc import Mapping

ALL = 100

# What the API calls a deployed model that has no number yet, because the request is the one that deploys it.
NEW = "0"


def assign_share(split: Mapping[str, int], name: str, share: int) -> dict[str, int]:
    """Gives one deployed model a share; the others keep theirs, in proportion.

    Args:
        split: Deployed model to per cent, summing to 100, or empty. Those without traffic may be in it, with 0.
        name: The one that gets the share; in `split` or not.
        share: Per cent, 1 to 100.

    Returns:
        Deployed model to per cent, above 0 and summing to 100. Whoever had traffic and isn't `name` keeps at least one
        per cent, unless the share is 100. Where nobody else has any, `name` gets all.

    Raises:
        ValueError: the share is out of range, or leaves less than a per cent to each of the others.
    """
    others = {key: value for key, value in split.items() if key != name and value > 0}
    if not 1 <= share <= ALL or (share < ALL and len(others) > ALL - share):
        raise ValueError(f"a share of {share} % leaves {ALL - share} % to {len(others)} others")
    if share == ALL or not others:
        return {name: ALL}
    return {**_apportion(others, ALL - share), name: share}


def _apportion(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Shares out a whole number by weights, at least 1 to each, by the largest remainders."""
    # One each first, so that a share of 1 % survives any number of releases.
    spare = total - len(weights)
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    wanted = {name: max(0.0, value - 1) for name, value in exact.items()}
    scale = spare / sum(wanted.values()) if sum(wanted.values()) else 0.0
    shares = {name: 1 + int(value * scale) for name, value in wanted.items()}
    remainders = sorted(weights, key=lambda name: (shares[name] - exact[name], name))
    missing = total - sum(shares.values())
    for index in range(missing):
        shares[remainders[index % len(remainders)]] += 1
    return shares


def show(split: Mapping[str, int]) -> str:
    """Returns a split in words: `12: 90 %, 13: 10 %`."""
    return ", ".join(f"{name}: {share} %" for name, share in split.items()) or "none"
