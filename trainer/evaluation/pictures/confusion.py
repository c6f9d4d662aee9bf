"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import PowerNorm

# Not pyplot: it keeps figures in a registry of the process and looks for a screen.
from matplotlib.figure import Figure

from etl.cli import note
from etl.images.lettering import label
from etl.words import cut
from trainer.evaluation.pictures.drawing import plain_text, save
from trainer.evaluation.pictures.sheet import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 120
# With more classes there is no room for numbers in the cells.
_MOST_NUMBERED = 12
_LONGEST_NAME = 30
# With more classes a cell each is too much to look at, and too much to draw: 2,000 took a minute and 7 GB.
MOST_NAMED = 200
_BLOCKS_INCHES = (10.0, 9.0)
_NUM_MARKS = 10
# Shares above this are dark enough for white letters.
_DARK = 0.5
# A class without examples has no shares.
_NO_SHARE_COLOUR = "#ececea"


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str], title: str, path: Path) -> None:
    """Draws a confusion matrix into a PNG: colours are shares of a true class, so that each row adds up to 1.

    Up to 12 classes have the count and the share in each cell. Of more than 200 classes neighbours share a cell, and a
    line on standard error says so: the picture, and what it costs, stay bounded.

    Args:
        matrix: int, (C, C): true classes down, predicted ones across; or (K, K), in which cell (i, j) counts for the
            `ceil(C / K)` true and predicted classes from there on.
        class_names: C names, C at least 1.
        title: Above the matrix.
        path: The file to write.
    """
    num_classes = len(class_names)
    if num_classes > MOST_NAMED:
        size = block_size(num_classes)
        _draw_blocks(matrix if len(matrix) < num_classes else sum_blocks(matrix, size), num_classes, size, title, path)
        return
    _draw_classes(matrix, class_names, title, path)


def block_size(num_classes: int) -> int:
    """Returns how many neighbouring classes share a cell of the picture: 1 up to 200 classes."""
    return -(-num_classes // MOST_NAMED)


def sum_blocks(matrix: np.ndarray, size: int) -> np.ndarray:
    """Adds up the counts of `size` neighbouring classes; (C, C) becomes (K, K)."""
    starts = np.arange(0, len(matrix), size)
    summed: np.ndarray = np.add.reduceat(np.add.reduceat(matrix, starts, axis=0), starts, axis=1)
    return summed


@plain_text()
def _draw_classes(matrix: np.ndarray, class_names: Sequence[str], title: str, path: Path) -> None:
    """Draws a row and a column for each class, with its name."""
    cell, font = _cell_inches(len(class_names))
    width = cell * len(class_names)
    names = [cut(label(name, number), _LONGEST_NAME) for number, name in enumerate(class_names)]
    margin = 0.9 + max(map(len, names)) * font / 72 * 0.62
    figure = Figure(
        figsize=(max(4.5, width + margin + 0.9), max(3.2, width + margin + 0.5)),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    axes = figure.subplots()
    shares = _to_shares(matrix)
    _draw_cells(axes, shares, title, linewidth=cell)
    centres = np.arange(len(names)) + 0.5
    axes.set_xticks(centres, names, rotation=90 if len(names) > _MOST_NUMBERED else 40, fontsize=font)
    if len(names) <= _MOST_NUMBERED:
        for tick in axes.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
        _write_numbers(axes, matrix, shares)
    axes.set_yticks(centres, names, fontsize=font)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    # Cut to what is drawn: the size asked for leaves room for the longest names.
    save(figure, path, bbox_inches="tight", pad_inches=0.15)


@plain_text()
def _draw_blocks(blocks: np.ndarray, num_classes: int, size: int, title: str, path: Path) -> None:
    """Draws a row and a column for each `size` classes, with their numbers."""
    note(f"{path.name}: {num_classes:,} classes are more than fit, so {size:,} neighbouring ones share a row")
    figure = Figure(figsize=_BLOCKS_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    _draw_cells(axes, _to_shares(blocks), f"{title}\n{num_classes:,} classes, {size:,} a row", linewidth=0)
    places = np.unique(np.linspace(0, len(blocks), _NUM_MARKS, endpoint=False).astype(int))
    marks = [f"{place * size:,}" for place in places]
    axes.set_xticks(places + 0.5, marks, fontsize=8)
    axes.set_yticks(places + 0.5, marks, fontsize=8)
    axes.set_xlabel("predicted class, label_int")
    axes.set_ylabel("true class, label_int")
    save(figure, path)


def _to_shares(matrix: np.ndarray) -> np.ma.MaskedArray:
    """Returns shares of each row, masked where a row has no examples."""
    totals = matrix.sum(axis=1, keepdims=True)
    return np.ma.masked_where(np.broadcast_to(totals == 0, matrix.shape), matrix / np.maximum(totals, 1))


def _draw_cells(axes: Axes, shares: np.ma.MaskedArray, title: str, linewidth: float) -> None:
    # Not in proportion: a share of 1 % is a mistake worth seeing, and would be white.
    norm = PowerNorm(0.6, 0, 1)
    edges = "white" if linewidth else "face"
    image = axes.pcolormesh(shares, cmap="Blues", norm=norm, edgecolors=edges, linewidth=linewidth)
    axes.set_facecolor(_NO_SHARE_COLOUR)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=11)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0", "1 %", "5 %", "10 %", "25 %", "50 %", "75 %", "100 %"], fontsize=8)
    bar.outline.set_visible(False)


def _cell_inches(num_classes: int) -> tuple[float, float]:
    """Returns a cell's side in inches, and the letters' size in points."""
    if num_classes <= _MOST_NUMBERED:
        return 0.62, 9.0
    # Room for one line of letters each.
    return (0.2, 8.0) if num_classes <= 50 else (0.12, 6.0)


def _write_numbers(axes: Axes, matrix: np.ndarray, shares: np.ma.MaskedArray) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if not count:
            continue
        share = float(shares[row, column])
        colour = "white" if share > _DARK else "#28282f"
        place = {"x": column + 0.5, "ha": "center", "va": "center", "color": colour}
        axes.text(y=row + 0.4, s=f"{count:,}", fontsize=10, **place)
        axes.text(y=row + 0.72, s=percent(share), fontsize=6.5, **place)
