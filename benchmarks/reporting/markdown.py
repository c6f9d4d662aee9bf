"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOT_RUN = "Not in these results."
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float, digits: int = 3) -> str:
    """Writes a number with so many significant digits, and commas from a thousand on."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    # The digits behind the point that are significant.
    decimals = digits - 1
    size = abs(rounded)
    while size >= 10:
        size /= 10
        decimals -= 1
    while size < 1:
        size *= 10
        decimals += 1
    return f"{rounded:.{decimals}f}"


def times(value: float) -> str:
    """Writes a ratio, with a sign that says so."""
    return number(value) + TIMES


def medians(num_rounds: int) -> str:
    """Says what the figures are."""
    return "one round" if num_rounds == 1 else f"medians of {num_rounds} rounds"


def percent(value: float) -> str:
    """Writes a share: `4.2 %`."""
    return f"{number(100 * value, 2)} %"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Writes a table whose columns but the first are numbers."""
    lines = [list(header), ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
