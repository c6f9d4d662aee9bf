"""Standard output and standard error of a command: closed, full, or a pipe that nobody reads any more."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from etl import interrupts
from etl.errors import LimitError
from etl.errors.limits import reason

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    """A standard stream that fails once, in words, and then takes everything.

    Args:
        descriptor: 1 or 2.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._has_failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes; returns how many bytes were taken.

        Raises:
            KeyboardInterrupt: the first time that there is no reader.
            LimitError: the first time that standard output can't be written.
        """
        if not self._has_failed:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._has_failed = True
                interrupts.lose_reader()
            except OSError as error:
                self._has_failed = True
                # Of standard error nobody could be told, and it holds no result.
                if self.fileno() == 1:
                    raise LimitError(f"standard output: {reason(error)}") from error
        return memoryview(data).nbytes


def guard() -> None:
    """Makes standard output and standard error of this process streams whose failures end a command in one line."""
    _fill()
    sys.stdout = _open(1, sys.stdout)
    sys.stderr = _open(2, sys.stderr)


def flush() -> None:
    """Writes what is left of standard output, whose failure would be a trace when the process ends.

    Raises:
        KeyboardInterrupt, LimitError: as when writing.
    """
    sys.stdout.flush()


def _fill() -> None:
    """Opens standard streams that are closed, or the next file that is opened would get what is printed."""
    null = os.open(os.devnull, os.O_RDWR)
    # The system gives the lowest number that is free.
    while null <= 2:
        null = os.open(os.devnull, os.O_RDWR)
    os.close(null)


def _open(descriptor: int, before: object) -> io.TextIOWrapper:
    encoding, by_lines = "utf-8", descriptor == 2
    if isinstance(before, io.TextIOWrapper):
        before.flush()
        encoding, by_lines = before.encoding, before.line_buffering or before.write_through
    # A name that the terminal's encoding lacks is shown by its escapes.
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor)), encoding, errors="backslashreplace", line_buffering=by_lines
    )
