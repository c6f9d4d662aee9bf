"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainer.pictures.sheet import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = 120
# With more classes there is no room for numbers in the cells.
_MOST_NUMBERED = 12
_LONGEST_NAME = 30
# Shares above this are dark enough for white letters.
_DARK = 0.5
# A class without examples has no shares.
_NO_SHARE_COLOUR = "#ececea"


def draw_confusion(matrix: np.ndarray, class_names: Sequence[str], title: str, path: Path) -> None:
    """Draws a confusion matrix into a PNG: colours are shares of a true class, so that each row adds up to 1.

    Up to 12 classes have the count and the share in each cell.

    Args:
        matrix: int, (C, C): true classes down, predicted ones across.
        class_names: C names, C at least 1.
        title: Above the matrix.
        path: The file to write.
    """
    # Not pyplot: it keeps figures in a registry of the process and looks for a screen.
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.ma.masked_where(np.broadcast_to(totals == 0, matrix.shape), matrix / np.maximum(totals, 1))
    cell, font = _cell_inches(len(class_names))
    width = cell * len(class_names)
    names = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in class_names]
    margin = 0.9 + max(map(len, names)) * font / 72 * 0.62
    figure = Figure(
        figsize=(max(4.5, width + margin + 0.9), max(3.2, width + margin + 0.5)),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    axes = figure.subplots()
    # Not in proportion: a share of 1 % is a mistake worth seeing, and would be white.
    image = axes.pcolormesh(shares, cmap="Blues", norm=PowerNorm(0.6, 0, 1), edgecolors="white", linewidth=cell)
    axes.set_facecolor(_NO_SHARE_COLOUR)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    centres = np.arange(len(names)) + 0.5
    axes.set_xticks(centres, names, rotation=90 if len(names) > _MOST_NUMBERED else 40, fontsize=font)
    if len(names) <= _MOST_NUMBERED:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        _write_numbers(axes, matrix, shares)
    axes.set_yticks(centres, names, fontsize=font)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=11)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0", "1 %", "5 %", "10 %", "25 %", "50 %", "75 %", "100 %"], fontsize=8)
    bar.outline.set_visible(False)
    # Cut to what is drawn: the size asked for leaves room for the longest names.
    figure.savefig(path, format="png", bbox_inches="tight", pad_inches=0.15)


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
