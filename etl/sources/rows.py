"""The rows of a CSV file, each with its line number, whatever state the file is in.

Python's own reader takes everything up to the next quotation mark for one cell, so that a single stray mark would
swallow thousands of rows and leave one. Here only its own line is lost: reading goes on with the line after it.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its first line's number, from 1, and its cells; `problem` says why there are none."""

    line: int
    cells: tuple[str, ...] = ()
    problem: str = ""


class _Lines:
    """Lines that can be taken back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._returned: deque[str] = deque()
        self.number = 0
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

    def give_back_all_but_first(self) -> None:
        self._returned.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def read_rows(lines: Iterable[str], columns: Collection[int]) -> Iterator[Row]:
    """Reads rows lazily; blank lines are none.

    Args:
        lines: Of the file, with their ends, as `newline=""` gives them.
        columns: The places of the cells that matter, from 0. A line break in one of these is taken for the trace of a
            quotation mark without a partner; in others it is text.

    Yields:
        Each row; with a `problem` the line that is no part of one.
    """
    source = _Lines(lines)
    reader = csv.reader(source, strict=True, skipinitialspace=True)
    while True:
        source.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = source.number - len(source.taken) + 1
            source.give_back_all_but_first()
            # A reader that has failed, or met the end within a cell, is not used again.
            reader = csv.reader(source, strict=True, skipinitialspace=True)
            yield Row(line, problem=_explain(error))
            continue
        line = source.number - len(source.taken) + 1
        if any("\n" in cells[place] or "\r" in cells[place] for place in columns if place < len(cells)):
            source.give_back_all_but_first()
            yield Row(line, problem="a quotation mark has no partner on its line")
        elif cells and any(cell.strip() for cell in cells):
            yield Row(line, tuple(cells))


def _explain(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quotation mark has no partner"
    return str(error)
