"""Lines by ranges of bytes, so that a file can be shared out without reading it first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from etl import storage
from etl.errors import ConfigError
from trainer.serving.batch.job import Unit

# An image of 48 MB as base64. Longer lines are errors, and never whole in memory.
MAX_LINE_BYTES = 64 << 20

# Lines of a unit, roughly: a second's work or two for a small network, so that small inputs spread too.
_UNIT_LINES = 512
_MIN_UNIT_BYTES = 1 << 16
_MAX_UNIT_BYTES = 1 << 26
# How much of the input is read to see how long its lines are.
_SAMPLE_BYTES = 1 << 22
_BLOCK_BYTES = 1 << 20


def plan_units(path: str) -> tuple[int, list[Unit]]:
    """Cuts a file into ranges of some hundred lines, by the length of its first ones.

    Returns:
        The file's size, and the ranges, at least one.

    Raises:
        ConfigError: there is no such file, or it can't be read.
    """
    try:
        with storage.open_stream(path) as stream:
            sample = stream.read(_SAMPLE_BYTES)
            num_bytes = stream.seek(0, os.SEEK_END)
    except FileNotFoundError:
        raise ConfigError("--input", path, "a file that exists") from None
    except OSError as error:
        raise ConfigError("--input", path, "a file that can be read", error.strerror or str(error)) from error
    mean_bytes = len(sample) / max(1, sample.count(b"\n"))
    unit_bytes = int(min(_MAX_UNIT_BYTES, max(_MIN_UNIT_BYTES, mean_bytes * _UNIT_LINES)))
    starts = range(0, max(1, num_bytes), unit_bytes)
    return num_bytes, [Unit(index, start, min(num_bytes, start + unit_bytes)) for index, start in enumerate(starts)]


def count_lines(path: str) -> int:
    """Counts the lines of a file, which takes a second a gigabyte on a local disk."""
    count, last = 0, b""
    with storage.open_stream(path) as stream:
        while block := stream.read(_BLOCK_BYTES):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last not in (b"", b"\n"))


class RangeLines:
    """The lines that begin in a range of a file, in order; to be read once.

    Args:
        path: The file.
        start: Where the range begins.
        end: Where the next one begins.

    Attributes:
        start: Where the first line begins; known once reading has started.
        end: Where the line behind the last one read begins.
    """

    def __init__(self, path: str, start: int, end: int) -> None:
        self._path = path
        self._range = (start, end)
        self.start = self.end = start

    def __iter__(self) -> Iterator[bytes | None]:
        """Yields the lines, with their ends; None for one that is longer than `MAX_LINE_BYTES`."""
        start, end = self._range
        with storage.open_stream(self._path) as stream:
            if start:
                # The line that goes on at `start` is an earlier range's; one that ended just before it isn't cut.
                stream.seek(start - 1)
                self.start = self.end = start - 1 + _skip_line(stream)
            while self.end < end:
                line = stream.readline(MAX_LINE_BYTES + 1)
                if not line:
                    return
                self.end += len(line)
                if len(line) > MAX_LINE_BYTES:
                    self.end += 0 if line.endswith(b"\n") else _skip_line(stream)
                    yield None
                else:
                    yield line


def _skip_line(stream: BinaryIO) -> int:
    """Reads to the end of the line; returns how many bytes that were."""
    num_bytes = 0
    while block := stream.readline(_BLOCK_BYTES):
        num_bytes += len(block)
        if block.endswith(b"\n"):
            break
    return num_bytes
