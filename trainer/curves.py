"""The training curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Two panels side by side, readable in a README: 1,200 x 480 pixels.
_SIZE_INCHES = (10.0, 4.0)
_DOTS_PER_INCH = 120

# Blue and orange, which the common colour blindnesses can tell apart.
_COLOURS = {"training": "#2b6ca3", "validation": "#d9731a"}


def draw_curves(history: Mapping[str, Sequence[float]], best_epoch: int, title: str, path: Path) -> None:
    """Draws loss and accuracy over the epochs into a PNG.

    Args:
        history: `epoch`, `loss`, `accuracy`, and where there was a validation split `val_loss`, `val_accuracy`: one
            value an epoch each.
        best_epoch: The one whose model was kept, counted from 1.
        title: Above both panels.
        path: The file to write.
    """
    # Not pyplot: it keeps figures in a registry of the process and looks for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    figure.suptitle(title, fontsize=11)
    loss, accuracy = figure.subplots(1, 2)
    _draw_panel(loss, "loss", history, best_epoch)
    loss.set_ylim(bottom=0)
    _draw_panel(accuracy, "accuracy", history, best_epoch)
    accuracy.set_ylim(0, 1.02)
    figure.savefig(path, format="png")


def _draw_panel(axes: Axes, metric: str, history: Mapping[str, Sequence[float]], best_epoch: int) -> None:
    from matplotlib.ticker import MaxNLocator

    for label, name in (("training", metric), ("validation", f"val_{metric}")):
        if name in history:
            axes.plot(
                history["epoch"], history[name], "o-", color=_COLOURS[label], label=label, linewidth=1.6, markersize=3.5
            )
    axes.axvline(best_epoch, color="#666666", linestyle=":", linewidth=1.2, label=f"kept: epoch {best_epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
