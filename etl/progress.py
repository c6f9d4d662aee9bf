"""Shows how far a long step has come: a bar on a terminal, plain lines elsewhere.

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
    def complete(self) -> None: ...
    def end(self) -> None: ...


_listener: _Listener | None = None


def advance(count: int = 1) -> None:
    """Reports that `count` more items are done."""
    if _listener is not None:
        _listener.advance(count)


def complete() -> None:
    """Reports that all items are done, also those of which nobody told."""
    if _listener is not None:
        _listener.complete()


@contextmanager
def step(title: str, total: int | None = None, unit: str = "images", then: str = "") -> Iterator[None]:
    """Shows the progress that is reported while the block runs.

    Args:
        title: What is being done.
        total: Items in all, None where that is not known before the end.
        unit: What the items are called.
        then: What is still done in the block when all items are.
    """
    global _listener
    with (_bar if sys.stderr.isatty() else _lines)(_Count(title, total, unit, then)) as listener:
        _listener = listener
        try:
            yield
            listener.end()
        finally:
            _listener = None


class _Count:
    """What is known of a step; any number of threads may add to it."""

    def __init__(self, title: str, total: int | None, unit: str, then: str) -> None:
        self.title, self.total, self.unit, self.then = title, total, unit, then
        self.done = 0
        self.lock = threading.Lock()
        self._started = self._last = time.monotonic()
        self._first: tuple[int, float] | None = None

    def add(self, count: int) -> None:
        self.done += count
        # A unit of work that was done twice counts once.
        if self.total is not None:
            self.done = min(self.done, self.total)
        self._last = time.monotonic()
        if self._first is None and count:
            self._first = (self.done, self._last)

    @property
    def num_left(self) -> int:
        return 0 if self.total is None else self.total - self.done

    @property
    def is_complete(self) -> bool:
        return self.total is not None and self.done >= self.total

    @property
    def description(self) -> str:
        return self.then if self.then and self.is_complete else self.title

    @property
    def rate(self) -> float:
        """Items a second from the first ones to the last: before them workers start, and behind them is `then`."""
        first, since = self._first or (0, self._started)
        if first >= self.done:
            first, since = 0, self._started
        return (self.done - first) / max(1e-3, self._last - since)


@contextmanager
def _bar(count: _Count) -> Iterator[_Listener]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TimeRemainingColumn

    from etl.process.terminal import BarConsole, count_column, text_column

    columns = [
        SpinnerColumn(),
        text_column("task.description"),
        BarColumn(),
        count_column(),
        text_column("task.fields[rate]"),
        TimeRemainingColumn(),
    ]

    class Bar:
        """Drives one rich task."""

        def __init__(self, progress: Progress) -> None:
            self.progress = progress
            self.task = progress.add_task(count.title, total=count.total, rate="")

        def advance(self, more: int) -> None:
            with count.lock:
                count.add(more)
                self.show(count.description)

        def complete(self) -> None:
            self.advance(count.num_left)

        def end(self) -> None:
            count.total = count.done if count.total is None else count.total
            self.show(count.title)

        def show(self, description: str) -> None:
            rate = f"{count.rate:,.0f} {count.unit}/s" if count.done else ""
            self.progress.update(self.task, description=description, total=count.total, completed=count.done, rate=rate)

    with _own_stderr() as stream:
        # Rich prints above the bar what goes to standard output, which must not be where that is a file.
        shown = Progress(*columns, console=BarConsole(file=stream), redirect_stdout=sys.stdout.isatty())
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
def _lines(count: _Count) -> Iterator[_Listener]:
    class Lines:
        """Prints a line every few seconds, and one when all is done."""

        def __init__(self) -> None:
            self.printed = time.monotonic()
            self.shown = -1

        def advance(self, more: int) -> None:
            with count.lock:
                count.add(more)
                now = time.monotonic()
                if now - self.printed >= _LINE_SECONDS or (count.then and count.is_complete):
                    self.printed = now
                    self.show()

        def complete(self) -> None:
            self.advance(count.num_left)

        def end(self) -> None:
            pass

        def show(self) -> None:
            if self.shown == count.done:
                return
            self.shown = count.done
            of = f" of {count.total:,}" if count.total is not None else ""
            then = f", now {count.then}" if count.then and count.is_complete else ""
            line = f"{count.title}: {count.done:,}{of} {count.unit}, {count.rate:,.0f}/s{then}"
            print(line, file=sys.stderr, flush=True)

    lines = Lines()
    try:
        yield lines
    finally:
        lines.show()
