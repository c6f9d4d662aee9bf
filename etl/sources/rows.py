"""The rows of a CSV file, each with its line number, whatever state the file is in.

Python's own reader takes everything up to the next quotation mark for one cell, so that a single stray mark would
swallow thousands of rows and leave one. Here only its own line is lost: reading goes on with the line after it.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

# Characters. Reading lines of any length would read a film, given in place of a list, into memory.
_MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its first line's number, from 1, and its cells; `problem` says why there are none."""

    line: int
    cells: tuple[str, ...] = ()
    problem: str = ""


class _Lines:
    """Lines that can be taken back."""

    def __init__(self, lines: Iterable[str], number: int) -> None:
        self._lines = iter(lines)
        self._returned: deque[str] = deque()
        self.number = number
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.number += 1
        self.taken.append(line)
        return line

    def start_row(self) -> None:
        self.taken = []

    def return_all_but_first(self) -> None:
        self._returned.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def read_rows(
    lines: IO[str] | Iterable[str], columns: Collection[int], separator: str = ",", num_before: int = 0
) -> Iterator[Row]:
    """Reads rows lazily; blank lines are none.

    Args:
        lines: Of the file, with their ends, as `newline=""` gives them.
        columns: The places of the cells that matter, from 0. A line break in one of these is taken for the trace of a
            quotation mark without a partner; in others it is text.
        separator: Between cells.
        num_before: Lines of the file before these.

    Yields:
        Each row; with a `problem` the line that is no part of one.
    """
    source = _Lines(_bounded(lines), num_before)
    make_reader = partial(csv.reader, source, delimiter=separator, strict=True, skipinitialspace=True)
    reader = make_reader()
    while True:
        source.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = source.number - len(source.taken) + 1
            source.return_all_but_first()
            # A reader that has failed, or met the end within a cell, is not used again.
            reader = make_reader()
            yield Row(line, problem=_explain(error))
            continue
        line = source.number - len(source.taken) + 1
        if any("\n" in cells[place] or "\r" in cells[place] for place in columns if place < len(cells)):
            source.return_all_but_first()
            yield Row(line, problem="a quotation mark has no partner on its line")
        elif cells and any(cell.strip() for cell in cells):
            yield Row(line, tuple(cells))


def _bounded(lines: IO[str] | Iterable[str]) -> Iterator[str]:
    """Yields lines, of those that are too long for any row the beginning, which is then malformed."""
    if not isinstance(lines, io.TextIOBase):
        yield from lines
        return
    while line := lines.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            rest = line
            while rest and not rest.endswith(("\n", "\r")):
                rest = lines.readline(_MAX_LINE)
        yield line


def _explain(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quotation mark has no partner"
    if "field limit" in str(error):
        return f"a cell of more than {csv.field_size_limit():,} characters"
    return str(error)
