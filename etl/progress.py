"""How far a long step has come: a bar on a terminal, plain lines elsewhere.

Work in this process reports through `advance`; on workers elsewhere nobody listens and it costs nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

# Between two plain lines.
_LINE_SECONDS = 10.0


class _Listener(Protocol):
    def advance(self, count: int) -> None: ...


_listener: _Listener | None = None


def advance(count: int = 1) -> None:
    """Reports that `count` more items are done."""
    if _listener is not None:
        _listener.advance(count)


@contextmanager
def step(title: str, total: int | None = None, unit: str = "images") -> Iterator[None]:
    """Shows the progress that is reported while the block runs.

    Args:
        title: What is being done.
        total: Items in all, None where that is not known.
        unit: What the items are called.
    """
    global _listener
    with (_bar if sys.stderr.isatty() else _lines)(title, total, unit) as listener:
        _listener = listener
        try:
            yield
        finally:
            _listener = None


@contextmanager
def _bar(title: str, total: int | None, unit: str) -> Iterator[_Listener]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from etl.terminal import PlainConsole, text_column

    columns = [
        SpinnerColumn(),
        text_column("task.description"),
        BarColumn(),
        MofNCompleteColumn(),
        text_column("task.fields[rate]"),
        TimeRemainingColumn(),
    ]

    class Bar:
        """Drives one rich task."""

        def __init__(self, progress: Progress) -> None:
            self.progress = progress
            self.task = progress.add_task(title, total=total, rate="")
            self.count = 0
            self.started = time.monotonic()

        def advance(self, count: int) -> None:
            self.count += count
            rate = self.count / max(1e-3, time.monotonic() - self.started)
            self.progress.update(self.task, advance=count, rate=f"{rate:,.0f} {unit}/s")

    with _own_stderr() as stream:
        # Rich prints above the bar what goes to standard output, which must not be where that is a file.
        shown = Progress(*columns, console=PlainConsole(file=stream), redirect_stdout=sys.stdout.isatty())
        with shown as progress:
            yield Bar(progress)


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    """Gives a stream to where standard error goes now: what the block prints to that may be kept back meanwhile."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        # It is no file.
        yield sys.stderr
        return
    with os.fdopen(descriptor, "w", encoding=sys.stderr.encoding) as stream:
        yield stream


@contextmanager
def _lines(title: str, total: int | None, unit: str) -> Iterator[_Listener]:
    class Lines:
        """Prints a line every few seconds."""

        def __init__(self) -> None:
            self.count = 0
            self.started = self.printed = time.monotonic()
            self.lock = threading.Lock()

        def advance(self, count: int) -> None:
            with self.lock:
                self.count += count
                now = time.monotonic()
                if now - self.printed >= _LINE_SECONDS:
                    self.printed = now
                    self.show(now)

        def show(self, now: float) -> None:
            rate = self.count / max(1e-3, now - self.started)
            of = f" of {total:,}" if total is not None else ""
            print(f"{title}: {self.count:,}{of} {unit}, {rate:,.0f}/s", file=sys.stderr, flush=True)

    lines = Lines()
    try:
        yield lines
    finally:
        lines.show(time.monotonic())
