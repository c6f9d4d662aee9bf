"""Puts things into words for people: strangers' names shown as text, and numbers with their units."""

from __future__ import annotations

import re

# Characters that a terminal obeys, a browser hides, an encoder refuses or an editor turns around: controls but tab and
# newline, line and paragraph separators, overrides of the writing direction, lone halves of UTF-16 pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_BREAKS = re.compile("[\t\n]")
# U+2400 and on: a visible picture of each control character.
_FIRST_PICTURE = 0x2400
_LAST_CONTROL = 0x1F


def printable(text: str) -> str:
    """Returns a text with a visible sign in place of each character that is none; tabs and newlines stay."""
    return _UNPRINTABLE.sub(_sign, text)


def on_one_line(text: str) -> str:
    """Returns a name as `printable` does, with signs for tabs and newlines too."""
    return _BREAKS.sub(_sign, printable(text))


def cut(text: str, length: int) -> str:
    """Returns at most so many characters of a name, on one line, with an ellipsis where something is missing."""
    shown = on_one_line(text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def one_line(value: object) -> str:
    """Folds a message to one line, white space runs to single spaces, and makes it printable."""
    return printable(" ".join(str(value).split()))


def quantity(number: int, unit: str = "") -> str:
    """Formats a number of things: `1 class`, `1,400 images`; a unit in the singular."""
    if not unit:
        return f"{number:,}"
    plural = f"{unit}es" if unit.endswith(("s", "x", "tch")) else f"{unit}s"
    return f"{number:,} {unit if number == 1 else plural}"


def _sign(match: re.Match[str]) -> str:
    point = ord(match[0])
    return chr(_FIRST_PICTURE + point) if point <= _LAST_CONTROL else "\ufffd"
