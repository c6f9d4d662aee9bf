"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def size(num_bytes: float) -> str:
    """Formats a number of bytes with a decimal unit: `98.3 MB`."""
    for factor, unit in _UNITS:
        if num_bytes >= factor:
            return f"{num_bytes / factor:,.1f} {unit}"
    return f"{num_bytes:,.0f} bytes"


def share(part: float, whole: float) -> str:
    """Formats a part of a whole: `12.5 %`; a dash where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def listing(words: Sequence[str]) -> str:
    """Joins words as a sentence does: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def shorten(text: str, length: int = 90) -> str:
    """Cuts a long text in its middle: the beginning and the end of a path say most."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
