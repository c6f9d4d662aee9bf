"""The study as a picture: parallel coordinates, a line for each trial through its parameters to its metric."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib import colormaps
from matplotlib.colors import Normalize

# Not pyplot: it keeps figures in a registry of the process and looks for a screen.
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from etl.words import cut, quantity
from trainer.evaluation.pictures.drawing import plain_text, save
from trainer.tune.display import show_value
from trainer.tune.parameters import CATEGORICAL, DISCRETE, INTEGER, LINEAR, LOG, Parameter, Value
from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result, find_best, rank
from trainer.tune.spec import Spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES_PER_AXIS, _HEIGHT_INCHES, _DOTS_PER_INCH = 1.9, 4.6, 120
_MIN_WIDTH_INCHES, _MAX_WIDTH_INCHES = 7.0, 40.0
# More lines cover one another.
_MOST_LINES = 500
# Significant digits of a mark.
_NUM_DIGITS = 4
_NUM_TICKS = 5
# More places than these run into one another.
_MAX_PLACES = 12
_STEPS = 40
# Of a parameter or a value, and of the study: more characters have no room.
_LONGEST_NAME, _LONGEST_TITLE = 24, 80
# Share of the colours that is left out.
_UNUSED = 0.15
_STOPPED_COLOUR = "#999999"
# How far off the axis what is out of its range ends.
_BELOW = 0.04


@plain_text()
def draw(spec: Spec, trials: Sequence[Result], path: Path) -> None:
    """Draws the trials that have a metric into a PNG, of many the 500 best.

    The best completed one is thick, stopped ones are dotted.

    Args:
        spec: The study.
        trials: One or more with a metric.
        path: The file to write.
    """
    known = [trial for trial in trials if trial.state != FAILED and trial.value is not None]
    shown = rank(known, is_maximised=spec.is_maximised)[:_MOST_LINES]
    # A stopped trial may have ended at its worst, far from all others; it has no colour and ends below their range.
    values = [trial.value or 0.0 for trial in shown if trial.state == COMPLETED] or [
        trial.value or 0.0 for trial in shown
    ]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.01, high + 0.01
    best = find_best(shown, is_maximised=spec.is_maximised)
    width = min(max(_MIN_WIDTH_INCHES, _INCHES_PER_AXIS * (len(spec.parameters) + 1)), _MAX_WIDTH_INCHES)
    figure = Figure(figsize=(width, _HEIGHT_INCHES), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    colours = colormaps["viridis" if spec.is_maximised else "viridis_r"]
    # The map's brightest end would be lost on white.
    spread = (high - low) * _UNUSED
    scale = Normalize(low, high + spread) if spec.is_maximised else Normalize(low - spread, high)
    for trial in sorted(shown, key=lambda trial: (trial is best, trial.state == COMPLETED, trial.trial)):
        value, is_stopped = trial.value or 0.0, trial.state == STOPPED
        height = min(max((value - low) / (high - low), -_BELOW), 1 + _BELOW)
        xs, ys = _smooth([*(place(each, trial.parameters[each.name]) for each in spec.parameters), height])
        axes.plot(
            xs,
            ys,
            ":" if is_stopped else "-",
            color=_STOPPED_COLOUR if is_stopped else colours(scale(value)),
            linewidth=3.5 if trial is best else 1.6,
            alpha=1 if trial is best else 0.8,
        )
    for index, parameter in enumerate(spec.parameters):
        _draw_axis(axes, index, parameter.name, ticks(parameter))
    steps = [low + (high - low) * step / (_NUM_TICKS - 1) for step in range(_NUM_TICKS)]
    _draw_axis(axes, len(spec.parameters), spec.metric, [((y - low) / (high - low), f"{y:.3f}") for y in steps])
    axes.set_xlim(-0.35, len(spec.parameters) + 0.5)
    axes.set_ylim(-0.06, 1.12)
    axes.set_axis_off()
    lines = [Line2D([], [], color="#444444", linewidth=1.5, label="completed")]
    if any(trial.state == STOPPED for trial in shown):
        lines.append(Line2D([], [], color=_STOPPED_COLOUR, linestyle=":", linewidth=1.5, label="stopped early"))
    if best is not None:
        lines.insert(
            0, Line2D([], [], color=colours(scale(best.value or 0.0)), linewidth=3.5, label=f"best: trial {best.trial}")
        )
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
    which = "" if len(shown) == len(known) else f"the {len(shown)} best of "
    figure.suptitle(f"{cut(spec.name, _LONGEST_TITLE)}: {which}{quantity(len(known), 'trial')}", fontsize=11)
    save(figure, path)


def place(parameter: Parameter, value: Value) -> float:
    """Returns where a value is on its axis, from 0 to 1, by the parameter's scale."""
    if parameter.kind in (CATEGORICAL, DISCRETE):
        last = len(parameter.values) - 1
        return parameter.values.index(value) / last if last else 0.5
    low, high = float(parameter.low), float(parameter.high)
    if low == high:
        return 0.5
    number = float(value)
    if parameter.scale == LINEAR:
        return (number - low) / (high - low)
    if parameter.scale == LOG:
        return math.log(number / low) / math.log(high / low)
    return 1 - math.log((low + high - number) / low) / math.log(high / low)


def ticks(parameter: Parameter) -> list[tuple[float, str]]:
    """Returns what is written beside an axis: places from 0 to 1, and words."""
    if parameter.kind in (CATEGORICAL, DISCRETE):
        every = -(-len(parameter.values) // _MAX_PLACES)
        return [(place(parameter, value), show_value(value)) for value in parameter.values[::every]]
    low, high = float(parameter.low), float(parameter.high)
    if parameter.scale == LOG:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        decades = [10.0**power for power in range(first, last + 1)]
        if len(decades) > 2:
            # A bound that is no power of ten is written too, unless it would run into one.
            ends = [end for end in (low, high) if min(abs(math.log10(end / decade)) for decade in decades) > 0.3]
            marks = [min(max(mark, low), high) for mark in sorted([*decades, *ends])]
            return [(place(parameter, mark), f"{mark:.3g}") for mark in marks]
    marks = [_value_at(parameter, step / (_NUM_TICKS - 1)) for step in range(_NUM_TICKS)]
    if parameter.kind == INTEGER:
        return [(place(parameter, mark), str(mark)) for mark in sorted({round(mark) for mark in marks})]
    # Enough of them to tell the marks of a narrow range apart.
    num_digits = _NUM_DIGITS + math.ceil(math.log10(high / (high - low))) if 0 < low < high else _NUM_DIGITS
    return [(place(parameter, mark), f"{mark:.{num_digits}g}") for mark in marks]


def _value_at(parameter: Parameter, height: float) -> float:
    """Returns the value at a place from 0 to 1, what `place` would be given."""
    low, high = float(parameter.low), float(parameter.high)
    if parameter.scale == LINEAR or low == high:
        return low + (high - low) * height
    value: float = low * (high / low) ** (height if parameter.scale == LOG else 1 - height)
    return min(max(value if parameter.scale == LOG else low + high - value, low), high)


def _smooth(heights: Sequence[float]) -> tuple[list[float], list[float]]:
    """Joins heights, one an axis, by curves that cross each axis level: two that meet there stay apart to the eye."""
    xs, ys = [0.0], [heights[0]]
    for index, (start, end) in enumerate(itertools.pairwise(heights)):
        for step in range(1, _STEPS + 1):
            share = step / _STEPS
            xs.append(index + share)
            ys.append(start + (end - start) * share * share * (3 - 2 * share))
    return xs, ys


def _draw_axis(axes: Axes, x: float, title: str, marks: Sequence[tuple[float, str]]) -> None:
    axes.plot([x, x], [0, 1], color="#444444", linewidth=1.0, zorder=5)
    axes.text(x, 1.06, cut(title, _LONGEST_NAME), ha="center", va="bottom", fontsize=10, fontweight="bold")
    for height, words in marks:
        axes.plot([x - 0.02, x + 0.02], [height, height], color="#444444", linewidth=1.0, zorder=5)
        axes.text(
            x + 0.04,
            height,
            cut(words, _LONGEST_NAME),
            va="center",
            fontsize=8,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )
