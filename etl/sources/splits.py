"""Which split a source itself assigns, if any."""

from __future__ import annotations

from collections.abc import Mapping

from etl.config import SourceOptions
from etl.errors import ConfigError
from etl.sharding import split_for

# Marks an image that its set's authors gave to training, of which they cut no validation part.
TRAIN_OR_VALIDATION = "train+validation"

_WHO_OFFERS = "official lists come with pets and cifar10, a column with a CSV whose header line names one split"


def choose_by(options: SourceOptions, offered: tuple[str, ...]) -> str:
    """Returns how to split: what `--split_by` says; for `auto` the first of what the source offers.

    Args:
        options: Of the run.
        offered: Some of `official`, `column` and `hash`, the source's preference first.

    Raises:
        ConfigError: the source has no such way.
    """
    if options.split_by == "auto":
        return offered[0]
    if options.split_by not in offered:
        raise ConfigError("--split_by", options.split_by, f"{' or '.join(offered)} for this data set", _WHO_OFFERS)
    return options.split_by


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
