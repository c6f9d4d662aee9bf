"""The page's pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reporting import chapter_figures, peer_blocks
from benchmarks.reporting.chapter_blocks import picture_name
from benchmarks.reporting.comparison import speed_ups
from benchmarks.reporting.markdown import TIMES, number
from benchmarks.reporting.results import STORAGE, Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS, _STORAGE, _CHAPTER, _BOUND = "#1f77b4", "#ff7f0e", "#9e9e9e", "#2b2b2b"
_KINDS = {"ours": _OURS, "what bounds it": _BOUND, "the chapter's ways": _CHAPTER, "the usual way": _CHAPTER}
# Beyond this ratio of its ends an axis has no room for numbers between the powers of ten.
_FEW = 200
# Speed-ups from here on need a logarithmic axis.
_WIDE = 10
_STAGE_COLOURS = ("#4e79a7", "#a0cbe8", "#f28e2b", "#ffbe7d", "#59a14f", "#8cd17d", "#b6992d", "#f1ce63")
_DPI = 110


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Draws the pictures of all that was run.

    Args:
        results: What was run.
        folder: Where they go; it is made.

    Returns:
        Their paths.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    for name in chapter_figures.TABLES:
        if rows := results.table(name) or results.table(name + STORAGE):
            draw = functools.partial(_draw_speed_ups, results=results, name=name)
            drawn.append(_save(folder / picture_name(name), 0.9 + 0.6 * len(rows), draw))
    for table, draw_rows, height in (
        ("rates", _draw_rates, 0.3),
        ("deliverables", _draw_rates, 0.3),
        ("etl: share by stage", _draw_stages, 0.6),
        ("etl: memory and cost by size", _draw_memory, 0.8),
    ):
        if rows := results.table(table):
            path = folder / (table.replace(": ", "_").replace(" ", "_") + ".png")
            drawn.append(_save(path, 1.2 + height * len(rows), functools.partial(draw_rows, rows=rows)))
    return drawn + peer_blocks.draw_peers(results, folder)


def _save(path: Path, height: float, draw: Callable[[Axes], None]) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    draw(axes)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return path


def _draw_speed_ups(axes: Axes, results: Results, name: str) -> None:
    """Draws bars of how many times as fast as the first row each row is: here, over storage, in the chapter."""
    figures = chapter_figures.TABLES[name]
    theirs = dict(zip(figures, speed_ups([figure.wall_seconds for figure in figures.values()]), strict=True))
    series: list[tuple[str, str, Mapping[str, float]]] = []
    for label, colour, table in (("local files", _OURS, name), ("storage", _STORAGE, name + STORAGE)):
        if rows := results.table(table):
            series.append((label, colour, {row.name: row.info["speed_up"] for row in rows}))
    series.append(("chapter", _CHAPTER, theirs))
    rows = results.table(name) or results.table(name + STORAGE)
    thickness = 0.8 / len(series)
    is_wide = max(max(values.values()) for _, _, values in series) > _WIDE
    # On a logarithmic axis only 1, the first row, is a place for bars to begin.
    begin = 1.0 if is_wide else 0.0
    for index, (label, colour, values) in enumerate(series):
        shift = thickness * (index + 0.5) - 0.4
        places = [place + shift for place, row in enumerate(rows) if row.name in values]
        lengths = [values[row.name] for row in rows if row.name in values]
        bars = axes.barh(places, [length - begin for length in lengths], thickness, begin, label=label, color=colour)
        labels = axes.bar_label(bars, [number(length) + TIMES for length in lengths], padding=3, fontsize=8)
        for text in labels:
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.4})
    _label_rows(axes, [row.name for row in rows])
    if is_wide:
        _use_logarithms(axes)
    axes.axvline(1, color="black", linewidth=0.6, zorder=0.5)
    axes.margins(x=0.14)
    axes.set_xlabel("times as fast as the first row" + (" (logarithmic)" if is_wide else ""))
    axes.set_title(f"Table {name}: {chapter_figures.TITLES[name]}", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _draw_rates(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws images or records a second; as points, since a logarithmic axis has no zero for bars to begin at."""
    rates = [row.info["items_a_second"] for row in rows]
    for kind, colour in _KINDS.items():
        places = [place for place, row in enumerate(rows) if _kind(row.name) == kind]
        if places:
            axes.plot([rates[place] for place in places], places, "o", markersize=8, color=colour, label=kind)
    for place, rate in enumerate(rates):
        axes.annotate(number(rate), (rate, place), (7, -3), textcoords="offset points", fontsize=8)
    _label_rows(axes, [row.name for row in rows])
    axes.grid(axis="y", linewidth=0.4)
    axes.set_axisbelow(True)
    _use_logarithms(axes)
    axes.margins(x=0.12)
    axes.set_xlabel("images or records a second (logarithmic)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _kind(label: str) -> str:
    if label.endswith("as usually written"):
        return "the usual way"
    if label.startswith(("the chapter's", "preset")):
        return "the chapter's ways"
    return "what bounds it" if "files" in label or label.startswith("bare") else "ours"


def _draw_stages(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws one bar a variant, cut by stage."""
    stages = list(dict.fromkeys(stage for row in rows for stage in row.info["share"]))
    left = [0.0] * len(rows)
    for stage, colour in zip(stages, _STAGE_COLOURS, strict=False):
        spent = [row.info["share"].get(stage, 0.0) * row.info["ms_an_image"] for row in rows]
        axes.barh(range(len(rows)), spent, left=left, label=stage, color=colour)
        left = [sum(pair) for pair in zip(left, spent, strict=True)]
    _label_rows(axes, [row.name for row in rows])
    axes.set_xlabel("milliseconds an image, on one thread")
    axes.set_title("The ETL's time by stage", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _draw_memory(axes: Axes, rows: Sequence[Row]) -> None:
    """Draws a line a variant: peak memory by size."""
    for row in rows:
        sizes = [int(size.removesuffix("x")) for size in row.info["peak_mb"]]
        axes.plot(sizes, list(row.info["peak_mb"].values()), marker="o", label=row.name)
        axes.set_xticks(sizes, [f"{size}{TIMES}" for size in sizes])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("size of the data")
    axes.set_ylabel("peak resident MB")
    axes.set_title("The ETL's memory by size", loc="left", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _use_logarithms(axes: Axes) -> None:
    """Makes the x axis logarithmic, with whole numbers at the powers of ten, and between if there is room."""
    from matplotlib import ticker

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high < _FEW * low else (1.0,)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.tick_params(axis="x", labelsize=8)


def _label_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
