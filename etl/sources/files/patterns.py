"""A pattern such as `photos/*/*.jpg`, matched folder by folder, so that a walk goes only where it can match.

`*`, `?` and `[` stand for parts of one name, and match no name that starts with a dot; `**` stands for any depth of
folders.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable

# The places in the pattern at which the next name may stand.
States = frozenset[int]

_DEEP = "**"
_WILDCARD = re.compile(r"[*?[]")


class Pattern:
    """A pattern below a folder.

    Args:
        parts: Of it, one a folder and the last one for files.
    """

    def __init__(self, parts: list[str]) -> None:
        # A part `**` at the end stands for files too.
        self._parts = [*parts, "*"] if parts[-1] == _DEEP else parts
        self._matches = [_matcher(part) for part in self._parts]
        self.start = self._closed({0})

    def enter(self, states: States, name: str) -> States:
        """Returns the states within a folder of that name; empty where nothing in it can match."""
        last = len(self._parts) - 1
        named = {place for place in states - {last} if self._parts[place] != _DEEP}
        after = {place + 1 for place in named if self._fits(place, name)}
        if not name.startswith("."):
            after |= {place for place in states if self._parts[place] == _DEEP}
        return self._closed(after)

    def takes(self, states: States, name: str) -> bool:
        """Tells whether a file of that name matches."""
        last = len(self._parts) - 1
        return last in states and self._fits(last, name)

    def chooses(self, states: States, name: str) -> bool:
        """Tells whether a part of the pattern other than `**` matches a folder of that name."""
        return any(self._parts[place] != _DEEP and self._fits(place, name) for place in states)

    def names_exactly(self, states: States, name: str) -> bool:
        """Tells whether the pattern names a folder in full, or a file's ending."""
        if name in (self._parts[place] for place in states):
            return True
        ending = os.path.splitext(name)[1]
        return bool(ending) and self._parts[-1].endswith(ending)

    def _fits(self, place: int, name: str) -> bool:
        return self._matches[place](name)

    def _closed(self, states: set[int]) -> States:
        """Adds what follows each `**`, which may stand for no folder at all."""
        for place in range(len(self._parts)):
            if place in states and self._parts[place] == _DEEP:
                states.add(place + 1)
        return frozenset(states)


class MatchAll:
    """The pattern of a walk that takes all, hidden names too."""

    start: States = frozenset({0})

    def enter(self, states: States, name: str) -> States:
        """Returns the same states: every folder counts."""
        del name
        return states

    def takes(self, states: States, name: str) -> bool:
        """Returns True: every file counts."""
        del states, name
        return True

    def names_exactly(self, states: States, name: str) -> bool:
        """Returns False: no name is asked for."""
        del states, name
        return False


def _matcher(part: str) -> Callable[[str], bool]:
    if not _WILDCARD.search(part):
        return part.__eq__
    match = re.compile(fnmatch.translate(part)).match
    shows_hidden = part.startswith(".")
    return lambda name: match(name) is not None and (shows_hidden or not name.startswith("."))
