"""Inputs that are not written: how many may be, and where they are listed when a run fails over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from etl import storage
from etl.errors import DatasetError, reasons
from etl.format import layout
from etl.paths import join
from etl.plan.lines import encode_rejections
from etl.records import Rejection
from etl.words import cut, quantity

_MOST_EXAMPLES = 3
_MAX_CHARACTERS = 160
# A list of all inputs could be as long as the list of a whole data set.
_MOST_LISTED = 10_000


def is_too_many(rejected: Mapping[str, int], num_read: int, largest_fraction: float) -> bool:
    """Tells whether too many inputs were rejected: more than the fraction, or all.

    Args:
        rejected: Reason to number.
        num_read: All inputs.
        largest_fraction: 0 to 1.
    """
    total = sum(rejected.values())
    return total > 0 and (total > largest_fraction * num_read or total >= num_read)


def fail(
    rejected: Mapping[str, int],
    num_read: int,
    largest_fraction: float,
    rejections: Iterable[Rejection],
    output: str | None,
) -> NoReturn:
    """Ends a run of which too many inputs were rejected.

    Args:
        rejected: Reason to number.
        num_read: All inputs.
        largest_fraction: 0 to 1.
        rejections: The inputs; the first are shown.
        output: Where the list of them is kept; None for nowhere.

    Raises:
        DatasetError: always; it names the commonest reason and shows the first inputs with their own messages.
    """
    first = list(itertools.islice(rejections, _MOST_LISTED))
    total = sum(rejected.values())
    reason, count = max(rejected.items(), key=lambda item: item[1])
    if total >= num_read:
        whole = "the only input was" if num_read == 1 else f"all {num_read:,} inputs were"
        what = f"{whole} rejected, so there is nothing to write"
    else:
        share = f"{total / num_read:.1%}, and --max_rejected_fraction is {largest_fraction:g}"
        what = f"{total:,} of {num_read:,} inputs {'was' if total == 1 else 'were'} rejected, {share}"
    parts = [
        what,
        f"the commonest reason: {reason} ({reasons.explain(reason)}), {quantity(count, 'time')}",
        *_examples(first),
    ]
    if output is not None:
        parts.append(f"see {_keep(first, output)}")
    raise DatasetError("; ".join(parts))


def _examples(first: list[Rejection]) -> Iterator[str]:
    for number, rejection in enumerate(first[:_MOST_EXAMPLES]):
        text = f"{cut(rejection.key, _MAX_CHARACTERS)}: {cut(rejection.message, _MAX_CHARACTERS)}"
        yield f"for example {text}" if number == 0 else text


def _keep(rejections: list[Rejection], output: str) -> str:
    is_there = storage.exists(join(output, layout.MANIFEST_NAME))
    path = join(output, layout.FAILED_REJECTED_NAME if is_there else layout.REJECTED_NAME)
    storage.write_atomically(path, encode_rejections(rejections))
    return path
