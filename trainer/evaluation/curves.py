"""The training curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

# Not pyplot: it keeps figures in a registry of the process and looks for a screen.
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from etl.words import cut
from trainer.evaluation.pictures.drawing import plain_text, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A panel each, side by side, readable in a README: two are 1,200 x 480 pixels.
_PANEL_INCHES = (5.0, 4.0)
_DOTS_PER_INCH = 120

# With more epochs dots run into one another.
_MOST_DOTS = 40
# More characters have no room.
_LONGEST_TITLE = 120

# Blue and orange, which the common colour blindnesses can tell apart.
_COLOURS = {"training": "#2b6ca3", "validation": "#d9731a"}

# Metrics that are drawn, where the history has them, and what is written beside them.
CLASSES: Mapping[str, str] = MappingProxyType({"loss": "loss", "accuracy": "accuracy"})
COLOURS: Mapping[str, str] = MappingProxyType({"loss": "mean squared error"})


@plain_text()
def draw_curves(
    history: Mapping[str, Sequence[float]],
    best_epoch: int,
    title: str,
    path: Path,
    metrics: Mapping[str, str] = CLASSES,
) -> None:
    """Draws metrics over the epochs into a PNG, a panel each.

    Args:
        history: `epoch`, metrics, and where there was a validation split the same with `val_` in front: one value an
            epoch each.
        best_epoch: The one whose model was kept, counted from 1.
        title: Above all panels.
        path: The file to write.
        metrics: Those to draw, by name, with what is written beside them: `CLASSES`, `COLOURS`, or any others. One that
            the history lacks gets no panel.

    Raises:
        ValueError: the history has none of them.
    """
    present = [name for name in metrics if name in history]
    if not present:
        raise ValueError(f"none of {', '.join(metrics)} is in the history: {', '.join(history)}")
    # One panel alone would be too narrow for its title.
    width = _PANEL_INCHES[0] * max(len(present), 1.5)
    figure = Figure(figsize=(width, _PANEL_INCHES[1]), dpi=_DOTS_PER_INCH, layout="constrained")
    figure.suptitle(cut(title, _LONGEST_TITLE), fontsize=11)
    for axes, name in zip(figure.subplots(1, len(present), squeeze=False)[0], present, strict=True):
        _draw_panel(axes, name, metrics[name], history, best_epoch)
        if name == "accuracy":
            axes.set_ylim(0, 1.02)
        elif name == "loss":
            axes.set_ylim(bottom=0)
    save(figure, path)


def _draw_panel(axes: Axes, metric: str, words: str, history: Mapping[str, Sequence[float]], best_epoch: int) -> None:
    line = "-" if len(history["epoch"]) > _MOST_DOTS else "o-"
    for label, name in (("training", metric), ("validation", f"val_{metric}")):
        if name in history:
            axes.plot(
                history["epoch"], history[name], line, color=_COLOURS[label], label=label, linewidth=1.6, markersize=3.5
            )
    axes.axvline(best_epoch, color="#666666", linestyle=":", linewidth=1.2, label=f"kept: epoch {best_epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(words)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
