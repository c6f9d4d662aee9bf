"""The reasons for which inputs are not written: the project's own, and those that a source declares with itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The names are part of the data format (docs/data_format.md).
REASONS: Mapping[str, str] = {
    "missing": "the file does not exist",
    "empty": "the file has zero bytes",
    "not_an_image": "the first bytes are of no image format known here",
    "truncated": "the image ends before its last pixel",
    "corrupt": "the image's bytes contradict each other",
    "unsupported": "an image format that nothing here can decode",
    "too_many_pixels": "height times width is over the limit",
    "too_many_bytes": "the file is larger than an image within the limit can be",
    "unknown_label": "the label is not among the class names",
    "duplicate_key": "another input has the same key",
    "unlisted": "the file is in none of the data set's lists, or beside the class folders",
    "malformed_row": "a line of the list that can't be read",
}

# Names go into metrics, tables and JSON; a table's column has room for so much.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

# Reason -> who declared it, and its explanation.
_declared: dict[str, tuple[str, str]] = {}


def declare(owner: str, own: object) -> None:
    """Makes the reasons of a source known in this process; it may be repeated.

    Args:
        owner: The source's module.
        own: Reason to explanation.

    Raises:
        ValueError: one is badly named, has no explanation, or is declared elsewhere; nothing was declared.
    """
    if not isinstance(own, Mapping):
        raise ValueError("reasons are a mapping, from name to explanation")
    for name, explanation in own.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: at most 40 small letters, digits and _, a letter first")
        if not isinstance(explanation, str) or not explanation.strip():
            raise ValueError(f"{name!r} has no explanation")
        other, _ = _declared.get(name, (owner, ""))
        if name in REASONS or other != owner:
            raise ValueError(f"{name!r} is a reason of {'all sources' if name in REASONS else other}; use another name")
    _declared.update({name: (owner, explanation) for name, explanation in own.items()})


def names() -> tuple[str, ...]:
    """Returns all reasons that are known in this process."""
    return (*REASONS, *_declared)


def explain(reason: str) -> str:
    """Returns what a reason means; "" for one of a source that is not loaded."""
    return REASONS.get(reason) or _declared.get(reason, ("", ""))[1]
