"""Charts as inline SVG. All lengths are percentages, so that a chart fits any width and its lines stay sharp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.card.markup import Markup, element, join

# How many colours the page's style has; further series take them again from the first.
NUM_COLOURS = 6
# Above this a column chart's columns can't be told apart, and neighbours share one.
MOST_COLUMNS = 160
# A column is no wider than this, in percent of the chart: one or two shards make no wall.
_WIDEST = 5.0
_GAP = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a bar.

    Attributes:
        fraction: Of the bar's full length, 0 to 1.
        series: Number of its colour.
        title: Shown when it is pointed at.
    """

    fraction: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or the range of several that share one.

    Attributes:
        low: Height of the smallest.
        high: Height of the largest.
        series: Number of its colour.
        title: Shown when it is pointed at.
    """

    low: float
    high: float
    series: int
    title: str


def colour(series: int) -> str:
    """Returns the style class of a series."""
    return f"s{series % NUM_COLOURS}"


def bar(parts: Sequence[Part]) -> Markup:
    """Draws a horizontal bar of parts laid end to end."""
    pieces, start = [], 0.0
    for part in parts:
        if part.fraction > 0:
            pieces.append(_rect(start, 0, 100 * part.fraction, 100, colour(part.series), part.title))
        start += 100 * part.fraction
    label = "; ".join(part.title for part in parts)
    return element("svg", *pieces, class_="bar", role="img", aria_label=label)


def legend(names: Sequence[str], *more: str) -> Markup:
    """Names the series, in the order of their colours."""
    swatch = [
        element(
            "span", element("svg", _rect(0, 0, 100, 100, colour(number)), class_="swatch", aria_hidden="true"), name
        )
        for number, name in enumerate(names)
    ]
    return element("p", *swatch, *more, class_="legend")


def columns(groups: Sequence[Sequence[Column]], top: float, target: float, label: str) -> Markup:
    """Draws groups of columns side by side, with a dashed line at a target.

    Args:
        groups: Each with at least one column.
        top: What the chart's full height stands for, above 0.
        target: Where the line is.
        label: Says in words what is shown.
    """
    # Between two groups as much room as a column takes.
    num_places = sum(map(len, groups)) + len(groups) - 1
    step = min(_WIDEST, 100 / max(1, num_places))
    width = step * (1 - _GAP)
    pieces, place = [], 0
    for group in groups:
        for column in group:
            left = place * step
            style, low, high = colour(column.series), 100 * column.low / top, 100 * column.high / top
            made = [element("title", column.title), _rect(left, 100 - low, width, low, style)]
            if high > low:
                made.append(_rect(left, 100 - high, width, high - low, f"{style} range"))
            pieces.append(element("g", *made))
            place += 1
        place += 1
    y = f"{_number(100 - 100 * target / top)}%"
    line = element("line", x1="0", x2="100%", y1=y, y2=y, class_="target")
    return element("svg", *pieces, line, class_="columns", role="img", aria_label=label)


def steps(series: Sequence[Sequence[int]], label: str) -> Markup:
    """Draws stacked steps: one place a column, one layer a series; for more columns than could be told apart.

    Args:
        series: Equally long rows of heights, the lowest layer first.
        label: Says in words what is shown.
    """
    length = len(series[0])
    below = [0] * length
    layers = []
    for row in series:
        layers.append([bottom + height for bottom, height in zip(below, row, strict=True)])
        below = layers[-1]
    top = max(1, *below)
    # From the highest layer down, each to the ground: what lies before it is painted over.
    paths = [
        element("path", d=_outline(layer, top), class_=colour(number))
        for number, layer in reversed(list(enumerate(layers)))
    ]
    return element(
        "svg",
        *paths,
        class_="columns",
        viewBox=f"0 0 {length} 100",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def spread(mean: float, deviation: float, channel: str) -> Markup:
    """Draws a mean and one deviation to both sides on the axis from 0 to 255."""
    low, high = max(0.0, mean - deviation) / 2.55, min(255.0, mean + deviation) / 2.55
    middle = f"{_number(mean / 2.55)}%"
    return element(
        "svg",
        element("line", x1="0", x2="100%", y1="50%", y2="50%", class_="axis"),
        _rect(low, 28, high - low, 44, f"{channel} range"),
        element("line", x1=middle, x2=middle, y1="8%", y2="92%", class_=f"{channel} mean"),
        class_="spread",
        role="img",
        aria_label=f"{channel}: mean {mean:.1f}, deviation {deviation:.1f}",
    )


def group_runs(values: Sequence[int], most: int) -> list[Sequence[int]]:
    """Cuts a sequence into at most `most` runs of equal length, the last one maybe shorter."""
    length = max(1, -(-len(values) // most))
    return [values[start : start + length] for start in range(0, len(values), length)]


def _outline(heights: Sequence[int], top: int) -> str:
    """Returns the path of a row of steps, down to the ground at both ends."""
    path = ["M0 100"]
    for place, height in enumerate(heights):
        path.append(f"V{_number(100 - 100 * height / top)}H{place + 1}")
    return "".join([*path, "V100Z"])


def _rect(x: float, y: float, width: float, height: float, style: str, title: str = "") -> Markup:
    inside = join(element("title", title)) if title else Markup()
    return element(
        "rect",
        inside,
        x=f"{_number(x)}%",
        y=f"{_number(y)}%",
        width=f"{_number(width)}%",
        height=f"{_number(height)}%",
        class_=style,
    )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
