"""The split that a source itself assigns, if any."""

from __future__ import annotations

from etl.errors import ConfigError
from etl.sources.options import SourceOptions

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
