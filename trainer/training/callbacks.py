"""The work between epochs: keeping the best weights, stopping, and displaying progress.

Plain classes with no Keras in them, driven by `training`: whatever runs the steps can drive them.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TimeRemainingColumn

from etl.cli import console, note
from etl.errors import PetalstreamError
from etl.process.terminal import count_column, text_column

# Between two lines within an epoch, where there is no terminal.
_LINE_SECONDS = 60.0


class DivergedError(PetalstreamError):
    """The loss is no longer a number, so nothing that follows could be used."""


class BestWeights:
    """Keeps the weights of the best epoch, and says when it is time to stop.

    Of epochs equal by the monitored metric the one with the lower loss counts as better, then the earlier one: on a
    small validation split many epochs share an accuracy. Without validation metrics every epoch counts as better than
    the one before, so that the last one is kept: the training loss says nothing about which model to trust.

    Args:
        monitor: `accuracy` or `loss`, of the validation split.
        patience: Epochs without a better one after which `should_stop` holds; None for never.
    """

    def __init__(self, monitor: str, patience: int | None) -> None:
        self.monitor, self.patience = monitor, patience
        self.epoch = 0
        self.weights: list[Any] = []
        self.should_stop = False
        self._best: tuple[float, ...] | None = None

    def update(self, epoch: int, metrics: Mapping[str, float], weights: list[Any]) -> bool:
        """Takes note of an epoch's end.

        Args:
            epoch: Counted from 1.
            metrics: `loss` and `accuracy`, and with a validation split `val_loss` and `val_accuracy`; all of
                the data alone. And `penalty`, where there is one on weights.
            weights: The model's, as arrays.

        Returns:
            Whether this is the best epoch so far.

        Raises:
            DivergedError: a loss is infinite or no number.
        """
        for name in ("loss", "val_loss", "penalty"):
            if not math.isfinite(metrics.get(name, 0.0)):
                raise DivergedError(
                    f"the training diverged: {name} is {metrics[name]} after epoch {epoch}; a smaller --lrate may help"
                )
        better = True
        if "val_loss" in metrics:
            score: tuple[float, ...] = (-metrics["val_loss"],)
            if self.monitor == "accuracy":
                score = (metrics["val_accuracy"], *score)
            better = self._best is None or score > self._best
            if better:
                self._best = score
        if better:
            self.epoch, self.weights = epoch, weights
        self.should_stop = self.patience is not None and epoch - self.epoch >= self.patience
        return better

    def to_facts(self) -> dict[str, Any]:
        """Returns all but the weights, as JSON's types."""
        return {"epoch": self.epoch, "should_stop": self.should_stop, "best": self._best}

    def restore(self, facts: Mapping[str, Any], weights: list[Any]) -> None:
        """Takes on what `to_facts` returned, and the weights that belong to it."""
        self.epoch, self.should_stop, self.weights = facts["epoch"], facts["should_stop"], weights
        self._best = None if facts["best"] is None else tuple(facts["best"])


class Stopwatch:
    """Measures an epoch: its seconds, and the images a second of its training part, without validation."""

    def __init__(self) -> None:
        self._started = self._trained = 0.0

    def start(self) -> None:
        """Starts an epoch."""
        self._started, self._trained = time.monotonic(), 0.0

    def end_training(self) -> None:
        """Ends the training part; the first call counts."""
        self._trained = self._trained or time.monotonic()

    def read(self, num_images: int, wait_seconds: float) -> dict[str, float]:
        """Ends the epoch.

        Args:
            num_images: Trained on since `start`.
            wait_seconds: In which the steps since then had no batch.

        Returns:
            `seconds` of the whole epoch, and of its training part `images_per_second` and `input_wait_share`, 0 to 1.
        """
        self.end_training()
        trained = max(1e-6, self._trained - self._started)
        return {
            "seconds": time.monotonic() - self._started,
            "images_per_second": num_images / trained,
            "input_wait_share": min(1.0, wait_seconds / trained),
        }


class Display(Protocol):
    """Shows how the training goes."""

    def advance(self, epoch: int, num_images: int) -> None:
        """Takes note that so many images of an epoch have been trained on."""

    def validate(self, epoch: int) -> None:
        """Shows that an epoch is being validated."""

    def end_epoch(self, line: str) -> None:
        """Shows a whole epoch's line."""


@contextmanager
def display(num_images: int) -> Iterator[Display]:
    """Gives a bar with images a second on a terminal, plain lines elsewhere; both on standard error.

    Args:
        num_images: In one epoch.
    """
    if not sys.stderr.isatty():
        yield _Lines(num_images)
        return
    columns = [
        text_column("task.description"),
        BarColumn(),
        count_column(),
        text_column("task.fields[rate]"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        yield _Bar(progress, num_images)


class _Bar:
    """One rich task that starts anew with each epoch."""

    def __init__(self, progress: Any, num_images: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=num_images, rate="")
        self._started = time.monotonic()

    def advance(self, epoch: int, num_images: int) -> None:
        rate = f"{num_images / max(1e-3, time.monotonic() - self._started):,.0f} images/s"
        self._progress.update(self._task, description=f"epoch {epoch}", completed=num_images, rate=rate)

    def validate(self, epoch: int) -> None:
        self._progress.update(self._task, description=f"epoch {epoch}, validating", rate="")

    def end_epoch(self, line: str) -> None:
        self._progress.console.print(line, soft_wrap=True)
        self._progress.reset(self._task, description="next epoch", rate="")
        self._started = time.monotonic()


class _Lines:
    """One line an epoch, and where that takes long one a minute."""

    def __init__(self, num_images: int) -> None:
        self._num_images = num_images
        self._printed = time.monotonic()

    def advance(self, epoch: int, num_images: int) -> None:
        now = time.monotonic()
        if now - self._printed >= _LINE_SECONDS and num_images < self._num_images:
            self._printed = now
            note(f"epoch {epoch}: {num_images:,.0f} of {self._num_images:,} images")

    def validate(self, epoch: int) -> None:
        pass

    def end_epoch(self, line: str) -> None:
        self._printed = time.monotonic()
        note(line)


# A line that is longer wraps in a usual terminal, beside the bar.
_LINE_COLUMNS = 110


def line_columns() -> int:
    """Returns how long an epoch's line may be: 110 columns, or as many as the terminal has."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    # It is no terminal, or no file at all.
    except (OSError, ValueError):
        columns = 0
    return min(_LINE_COLUMNS, columns or _LINE_COLUMNS)


def epoch_line(
    epoch: int, num_epochs: int, metrics: Mapping[str, float], *, is_best: bool, columns: int = _LINE_COLUMNS
) -> str:
    """Returns what is shown of an epoch.

    Args:
        epoch: Counted from 1.
        num_epochs: In all.
        metrics: As in the history.
        is_best: Whether it is the best so far.
        columns: How long it may be; what matters least is left out.
    """
    has_validation = "val_loss" in metrics
    parts = {
        "loss": f"loss {metrics['loss']:.4f}",
        "accuracy": f"accuracy {metrics.get('accuracy', 0):.4f}",
        "penalty": f"penalty {metrics.get('penalty', 0):.4f}",
        "rate": f"{metrics['images_per_second']:,.0f} images/s",
        "waiting": f"{metrics['input_wait_share']:.0%} waiting",
        "seconds": f"{metrics['seconds']:.1f} s",
        "best": "best",
    }
    if has_validation:
        parts["loss"] += f" (validation {metrics['val_loss']:.4f})"
    if "val_accuracy" in metrics:
        parts["accuracy"] += f" ({metrics['val_accuracy']:.4f})"
    shown = {"loss", "rate", "waiting", "seconds", *({"accuracy", "penalty"} & set(metrics))}
    if is_best and has_validation:
        shown.add("best")

    def line() -> str:
        return f"epoch {epoch}/{num_epochs}: {', '.join(text for name, text in parts.items() if name in shown)}"

    # What the closing tables and the history say anyway.
    for name in ("seconds", "waiting", "penalty", "rate"):
        if len(line()) > columns:
            shown.discard(name)
    return line()
