"""Notes for the operator on inputs that are not wrong enough to stop: short lines at any size."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from etl.words import quantity

# Named in one line; more are counted.
NUM_EXAMPLES = 3

# Hyphens, underscores, and what takes no room on a screen.
_BLANKS = re.compile(r"[\s_\-\u00ad\u200b-\u200f\u2060\ufeff]+")


class Examples:
    """Counts texts and keeps the first few."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.count = 0
        self._first: list[str] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Counts one text."""
        self.count += 1
        if len(self._first) < NUM_EXAMPLES:
            self._first.append(text)

    def __str__(self) -> str:
        rest = self.count - len(self._first)
        return ", ".join(map(shown, self._first)) + (f" and {rest:,} more" if rest else "")


def shown(name: str) -> str:
    """Returns a name as it can be printed: in quotes and with escapes where it holds more than can be seen."""
    return name if name.isprintable() and name == name.strip() else ascii(name)


def lookalikes(class_names: Sequence[str]) -> list[str]:
    """Returns a line where class names differ only in case, white space, hyphens or forms of the same letters."""
    groups: dict[str, list[str]] = {}
    for name in class_names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault(_BLANKS.sub(" ", folded).strip(), []).append(name)
    alike = Examples(" and ".join(map(repr, group)) for group in groups.values() if len(group) > 1)
    return [f"class names that look alike are different classes: {alike}"] if alike.count else []


def empty_classes(class_counts: Iterable[tuple[str, int]]) -> list[str]:
    """Returns a line that names the classes without an image."""
    empty = Examples(name for name, count in class_counts if not count)
    if not empty.count:
        return []
    return [f"{quantity(empty.count, 'class')} without an image: {empty}"]


def duplicates(across_labels: int, across_splits: int, of_labels: object = "", of_splits: object = "") -> list[str]:
    """Returns lines on images that are there under several labels, and in several splits.

    Args:
        across_labels: Number of contents under two labels or more.
        across_splits: Number of contents in two splits or more.
        of_labels: Examples of the former.
        of_splits: Examples of the latter.
    """
    lines = []
    for count, where, examples in (
        (across_labels, "with two labels or more", of_labels),
        (across_splits, "in two splits or more", of_splits),
    ):
        if count:
            found = f": {examples}" if str(examples) else ""
            lines.append(f"{quantity(count, 'image')} {where}{found}")
    return lines
