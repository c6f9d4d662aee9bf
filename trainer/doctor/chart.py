"""The findings as a picture: how fast each stage is, where the machine's limits are, and when the model waited."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

# Not pyplot: it keeps figures in a registry of the process and looks for a screen.
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from etl.words import cut, quantity
from trainer.doctor.findings import INPUT_STAGES, MAX_WAIT_SHARE, Findings
from trainer.doctor.wording import STAGE_WORDS, bytes_text, rate_text, share_text, size_text
from trainer.evaluation.pictures.drawing import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

# 1,200 pixels wide: readable in a README and in a chat.
_WIDTH_INCHES = 10.0
_TITLE_INCHES = 0.12
_RATES_INCHES, _BAR_INCHES, _TIMELINE_INCHES = 1.9, 0.36, 2.4
_DOTS_PER_INCH = 120
# Limits nearer than this need their labels on different sides.
_TIGHT_FACTOR = 4
# Of the timeline.
_MOST_BARS = 200
# Of the data set; more characters have no room.
_LONGEST_NAME = 40

# Colours that the common colour blindnesses can tell apart.
_INK, _FAINT = "#333333", "#8a8a8a"
_STAGE, _DEVICE, _BINDING, _WHOLE = "#7fa8cc", "#b9c4a3", "#d9731a", "#2b4f73"
_WHOLE_NAME = "whole pipeline"
_LIMITS = {"bare decode": "#a03050", "bare read and copy": "#5a5a5a"}


@plain_text()
def draw(findings: Findings) -> bytes:
    """Draws the findings.

    Returns:
        A PNG, 1,200 pixels wide: bars of images a second, on a logarithmic scale; where a model was trained, below them
        the time of each of its steps, with what it waited for input.
    """
    heights = [_RATES_INCHES + _BAR_INCHES * len(findings.stages)] + [_TIMELINE_INCHES] * (
        findings.training is not None
    )
    figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), dpi=_DOTS_PER_INCH, layout="constrained")
    _draw_title(figure, findings)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_rates(panels[0], findings)
    if findings.training is not None:
        _draw_timeline(panels[1], findings)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _draw_title(figure: Figure, findings: Findings) -> None:
    """Writes two lines above the panels; the title proper keeps the room, for only that is part of the layout."""
    figure.suptitle(" \n ", fontsize=14)
    top = 1 - _TITLE_INCHES / figure.get_figheight()
    figure.text(0.012, top, _title(findings), fontsize=13, fontweight="bold", color=_INK, va="top")
    figure.text(
        0.012,
        1 - 3.3 * _TITLE_INCHES / figure.get_figheight(),
        _subtitle(findings),
        fontsize=9,
        color=_INK,
        va="top",
    )


def _draw_rates(axes: Axes, findings: Findings) -> None:
    rates = findings.medians
    rows = {name: rate for name, rate in rates.items() if name in INPUT_STAGES}
    rows[_WHOLE_NAME] = findings.pipeline.median
    num_input = len(rows)
    rows |= {name: rate for name, rate in rates.items() if name not in INPUT_STAGES}
    axes.set_xscale("log")
    axes.set_xlim(*_range([*rows.values(), findings.bare_copy.median, findings.limit[1].median]))
    colours = [_colour(name, findings) for name in rows]
    axes.barh(range(len(rows)), list(rows.values()), color=colours, height=0.68, zorder=2)
    for place, (name, rate) in enumerate(rows.items()):
        text = rate_text(rate)
        if name in findings.host_shares:
            text += f"   {share_text(findings.host_shares[name])} of the host's work"
        _label_bar(axes, place, rate, text, is_strong=name in (findings.bottleneck, _WHOLE_NAME))
    axes.set_yticks(range(len(rows)), [_row_name(name, findings) for name in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if num_input < len(rows):
        axes.axhline(num_input - 0.5, color=_FAINT, linewidth=0.7)
        axes.annotate(
            "in the model, on its device",
            (1, num_input - 0.5),
            xycoords=("axes fraction", "data"),
            xytext=(0, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8.5,
            color=_FAINT,
        )
    _draw_limits(axes, findings)
    _finish_rates(axes, findings)


def _draw_limits(axes: Axes, findings: Findings) -> None:
    limits = {"bare read and copy": findings.bare_copy.median}
    if findings.bare_decode is not None:
        limits["bare decode"] = findings.bare_decode.median
    names = sorted(limits, key=lambda name: limits[name])
    # Labels of limits that are near each other would overlap.
    is_tight = len(names) > 1 and limits[names[1]] < _TIGHT_FACTOR * limits[names[0]]
    sides = ["right", "left"] if is_tight else ["center", "center"]
    for name, side in zip(names, sides, strict=False):
        axes.axvline(limits[name], color=_LIMITS[name], linestyle="--", linewidth=1.3, zorder=3)
        axes.annotate(
            f"{name}\n{rate_text(limits[name])}",
            (limits[name], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=8.5,
            color=_LIMITS[name],
            linespacing=1.15,
        )


def _finish_rates(axes: Axes, findings: Findings) -> None:
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: rate_text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    threads = findings.machine.num_threads
    alone = f"each stage alone on {quantity(threads, 'thread')}"
    axes.set_xlabel(f"images a second, {alone} (logarithmic; longer is faster)", color=_INK, fontsize=9)
    axes.grid(axis="x", alpha=0.25, which="major", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=10)
    axes.tick_params(axis="x", labelsize=8.5, colors=_INK)


def _draw_timeline(axes: Axes, findings: Findings) -> None:
    training = findings.training
    if training is None:
        return
    # Of more steps than there is room for, neighbours share a bar: their mean.
    size = -(-len(training.steps) // _MOST_BARS)
    waits, steps = (_means(seconds, size) for seconds in (training.waits, training.steps))
    numbers = [1 + size * place + (size - 1) / 2 for place in range(len(steps))]
    width = 0.85 * size
    axes.bar(numbers, steps, color=_DEVICE, width=width, label="the model's step")
    axes.bar(numbers, waits, bottom=steps, color=_BINDING, width=width, label="waiting for input")
    is_waiting = training.wait_share >= MAX_WAIT_SHARE
    axes.set_title(
        f"{training.model} waits for its input {share_text(training.wait_share)} of the time: "
        f"{'the input binds' if is_waiting else 'the model binds'}",
        fontsize=11,
        color=_BINDING if is_waiting else _INK,
        loc="left",
    )
    axes.set_xlabel(f"training step of {training.batch_size:,} images", color=_INK, fontsize=9)
    axes.set_ylabel("milliseconds", color=_INK, fontsize=9)
    axes.set_xlim(0.4, len(training.steps) + 0.6)
    axes.set_ylim(0, 1.25 * max(step + wait for step, wait in zip(steps, waits, strict=True)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5, colors=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper right")


def _means(seconds: Sequence[float], size: int) -> list[float]:
    """Returns milliseconds, the mean of each `size` that follow each other."""
    groups = [seconds[start : start + size] for start in range(0, len(seconds), size)]
    return [1000 * sum(group) / len(group) for group in groups]


def _colour(name: str, findings: Findings) -> str:
    if name == _WHOLE_NAME:
        return _WHOLE
    if name == findings.bottleneck:
        return _BINDING
    return _STAGE if name in INPUT_STAGES else _DEVICE


def _row_name(name: str, findings: Findings) -> str:
    if name == "step" and findings.training is not None:
        return f"{findings.training.model}'s step"
    if name == "decode" and findings.data.is_windowed:
        return "decode and crop"
    return name


def _label_bar(axes: Axes, place: int, value: float, text: str, *, is_strong: bool) -> None:
    """Writes beside the bar, on a ground of its own, so that no limit's line crosses the figures."""
    axes.annotate(
        text,
        (value, place),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=_INK,
        fontweight="bold" if is_strong else "normal",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        zorder=4,
    )


def _range(rates: Sequence[float]) -> tuple[float, float]:
    """Returns the ends of the scale: so far below the slowest that its bar is seen, and room for text on the right."""
    return min(rates) / 4, max(rates) * 6


def _title(findings: Findings) -> str:
    """Returns what is the matter, and with what."""
    return f"{STAGE_WORDS[findings.bottleneck]} binds" + ("" if findings.bottleneck == "step" else " the input")


def _subtitle(findings: Findings) -> str:
    data, machine = findings.data, findings.machine
    size = f" at {size_text(data.image_size)}" if data.image_size else ""
    where = f"{quantity(machine.num_cores, 'core')}"
    if machine.is_accelerated:
        where += f" and {machine.device}"
    purpose = "training" if data.is_training else "validation"
    name = cut(data.dataset, _LONGEST_NAME)
    return (
        f"{name}, {data.variant}/{data.split}{size}: {quantity(data.num_examples, 'example')}, "
        f"{bytes_text(data.num_bytes)}; read for {purpose} in batches of {data.batch_size} on {where}"
    )
