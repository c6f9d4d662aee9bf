"""Shows which measurement is being made: a bar on a terminal, a line each elsewhere; both on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TimeElapsedColumn

from etl.cli import console
from etl.process.terminal import count_column, text_column

# Called with what is being measured now.
Say = Callable[[str], None]


@contextmanager
def display(total: int) -> Iterator[Say]:
    """Gives a function to call as each of `total` measurements begins."""
    if not sys.stderr.isatty():
        yield lambda title: print(f"measuring {title}", file=sys.stderr, flush=True)
        return
    columns = [
        SpinnerColumn(),
        text_column("task.description"),
        BarColumn(),
        count_column(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=total, completed=-1)

        def say(title: str) -> None:
            progress.update(task, description=f"measuring {title}", advance=1)

        yield say
