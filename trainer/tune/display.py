"""Displays a study: bars on a terminal and lines elsewhere while it runs, a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TimeElapsedColumn
from rich.table import Table

from etl.cli import console, note
from etl.process.terminal import count_column, text_column
from etl.words import quantity
from trainer.tune.parameters import Value
from trainer.tune.results import COMPLETED, FAILED, FILE_NAME, STOPPED, Result, rank
from trainer.tune.spec import Spec

# Of a longer table the end alone, which is the worst, would be on the screen.
MOST_ROWS = 100


class Display(Protocol):
    """Shows how a study goes."""

    def begin(self, trial: int, values: Mapping[str, Value], num_epochs: int) -> None:
        """Shows that a trial begins."""

    def advance(self, trial: int, values: Mapping[int, float]) -> None:
        """Shows what a trial has reported so far."""

    def end(self, result: Result, *, is_best: bool) -> None:
        """Shows how a trial ended."""


@contextmanager
def display(metric: str, max_trials: int, num_known: int) -> Iterator[Display]:
    """Gives bars on a terminal, plain lines elsewhere; both on standard error.

    Args:
        metric: The metric's name.
        max_trials: Trials in all.
        num_known: Trials that have ended before.
    """
    if num_known:
        note(f"there already: {num_known:,} of {quantity(max_trials, 'trial')}")
    if not sys.stderr.isatty():
        yield _Lines(metric, max_trials)
        return
    columns = [
        text_column("task.description"),
        BarColumn(),
        count_column(),
        text_column("task.fields[note]"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        yield _Bars(progress, metric, max_trials, num_known)


class _Lines:
    """A line when a trial begins, another when it ends."""

    def __init__(self, metric: str, max_trials: int) -> None:
        self._metric, self._max_trials = metric, max_trials

    def begin(self, trial: int, values: Mapping[str, Value], num_epochs: int) -> None:
        self._print(f"trial {trial}/{self._max_trials}: {show_values(values)}")

    def advance(self, trial: int, values: Mapping[int, float]) -> None:
        pass

    def end(self, result: Result, *, is_best: bool) -> None:
        self._print(end_line(result, self._metric, self._max_trials, is_best=is_best))

    def _print(self, line: str) -> None:
        note(line)


class _Bars:
    """A bar for the study, and one below it for each trial that runs."""

    def __init__(self, progress: Any, metric: str, max_trials: int, num_known: int) -> None:
        self._progress, self._metric, self._max_trials = progress, metric, max_trials
        self._study = progress.add_task("trials", total=max_trials, completed=num_known, note="")
        self._tasks: dict[int, Any] = {}

    def begin(self, trial: int, values: Mapping[str, Value], num_epochs: int) -> None:
        self._tasks[trial] = self._progress.add_task(f"  trial {trial}", total=num_epochs, note=show_values(values))

    def advance(self, trial: int, values: Mapping[int, float]) -> None:
        if values:
            epoch, value = list(values.items())[-1]
            self._progress.update(self._tasks[trial], completed=epoch, note=f"{self._metric} {value:.4f}")

    def end(self, result: Result, *, is_best: bool) -> None:
        self._progress.remove_task(self._tasks.pop(result.trial))
        line = end_line(result, self._metric, self._max_trials, is_best=is_best)
        self._progress.console.print(line, soft_wrap=True)
        self._progress.advance(self._study)
        if is_best:
            self._progress.update(self._study, note=f"best {self._metric} {result.value:.4f}")


def show_value(value: Value) -> str:
    """Formats a parameter's value for a person."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_values(values: Mapping[str, Value]) -> str:
    """Formats a trial's parameters for a person."""
    return ", ".join(f"{name} {show_value(value)}" for name, value in values.items())


def end_line(result: Result, metric: str, max_trials: int, *, is_best: bool) -> str:
    """Returns what is shown of a trial that has ended."""
    start = f"trial {result.trial}/{max_trials}: "
    if result.state == FAILED:
        return f"{start}failed, {result.message}"
    ending = {COMPLETED: "", STOPPED: "stopped as hopeless, "}[result.state]
    best = ", best so far" if is_best else ""
    count = max(result.measurements)
    epochs = f"{quantity(count, 'epoch')}, {result.seconds:.0f} s"
    return f"{start}{ending}{metric} {result.value:.4f}, {epochs}{best}"


def print_table(spec: Spec, trials: Sequence[Result]) -> None:
    """Prints the trials on standard output, the best first, of many the 100 best."""
    names = [parameter.name for parameter in spec.parameters]
    table = Table("rank", "trial", *names, spec.metric, "epochs", "seconds", "state")
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[:-1]:
        column.justify = "right"
    if len(trials) > MOST_ROWS:
        table.caption = f"the {MOST_ROWS} best of {len(trials):,} trials; {FILE_NAME} has all"
    for place, result in enumerate(rank(trials, is_maximised=spec.is_maximised)[:MOST_ROWS], 1):
        table.add_row(
            "-" if result.state == FAILED else str(place),
            str(result.trial),
            *(show_value(result.parameters[name]) for name in names),
            "-" if result.value is None else f"{result.value:.4f}",
            str(max(result.measurements, default=0)),
            f"{result.seconds:.0f}",
            result.state,
        )
    console().print(table)
