"""The layout of a CSV file, detected from its first lines: separator, header line, columns."""

from __future__ import annotations

import io
import itertools
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from etl import storage
from etl.errors import ConfigError, reading
from etl.sources.files.names import normal
from etl.sources.options import SourceOptions, option
from etl.sources.rows import Row, read_rows
from etl.words import cut

# Where several are there, the first in this order counts.
PATH_COLUMNS = ("path", "uri", "image_path", "image_uri", "file_path", "filepath", "image", "filename", "file")
LABEL_COLUMNS = ("label", "class", "class_name", "label_name", "category")
SPLIT_COLUMNS = ("split", "ml_use", "set", "subset")

EXPECTED = "a CSV file of lines path,label or with a header line that names such columns"

_SEPARATORS = (",", ";", "\t")
# What Excel writes, and reads, in front of a table.
_SEPARATOR_LINE = re.compile(r'"?sep=(\t|[^\w\s"\0])"?(?:\r|\n|$)', re.IGNORECASE)

# First bytes of what is no text, and what to do about it.
_NO_TEXT = (
    (b"\xff\xfe", "this is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "this is UTF-16: save it as UTF-8"),
    (b"PK\3\4", "this is a spreadsheet or another ZIP archive: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "this is a spreadsheet: save it as CSV"),
    (b"\x1f\x8b", "this is compressed: unpack it"),
    (b"PAR1", "this is a Parquet file: write it as CSV"),
)
_HEAD_BYTES = 4096
# UTF-16 without a mark has a zero for each letter of English.
_MAX_ZEROS = 0.2

_LOOKS_LIKE_IMAGE = re.compile(
    r".*\.(jpe?g|jpe|jfif|png|gif|bmp|webp|avif|heic|heif|tiff?|jp2|j2k|jxl|p[bgpn]m|dng)\s*", re.IGNORECASE | re.DOTALL
)
# A header line may have as many.
_MAX_COLUMNS = 1_000
_MOST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a CSV file has what.

    Attributes:
        csv_path: The file; relative paths start from its folder.
        base: The folder that keys are relative to: the same, or where the pattern starts that found the file.
        separator: Between cells.
        num_before: Lines before the first row.
        path: The place of the column of paths, from 0.
        label: That of the labels.
        split: That of the splits, None where there is none.
        header: The columns' names; empty where the first row is one of an image.
        num_columns: Of every row.
    """

    csv_path: str
    base: str
    separator: str
    num_before: int
    path: int
    label: int
    split: int | None
    header: tuple[str, ...]
    num_columns: int

    @property
    def key_columns(self) -> list[int]:
        """The places of the columns that are read."""
        return [place for place in (self.path, self.label, self.split) if place is not None]


@dataclass(frozen=True, slots=True)
class CsvOptions(SourceOptions):
    """The options with those of `csv`.

    Attributes:
        path_column: The column of paths in the header line, None for one of the usual names.
        label_column: That of the labels.
    """

    path_column: str | None = option(None, metavar="NAME", help="for csv: the column of paths in the header line")
    label_column: str | None = option(None, metavar="NAME", help="for csv: the column of labels in the header line")


def detect_layout(path: str, options: CsvOptions) -> Layout:
    """Learns a file's layout.

    Raises:
        ConfigError: it is no text, is empty, lacks a column that is needed, or begins with neither a row nor a header
            line that is understood.
    """
    named = _SEPARATOR_LINE.match(_read_head(path).decode("utf-8-sig", "replace"))
    starts = []
    for separator in [named[1]] if named else _SEPARATORS:
        start = _Start(path, separator, int(named is not None), *_first_rows(path, separator, named is not None))
        starts.append(start)
        if start.first is None:
            raise ConfigError("--input", path, EXPECTED, "this file is empty")
        layout = _header(start, options) or _without_header(start, options)
        if layout is not None and layout.header and start.second is None:
            raise ConfigError("--input", path, EXPECTED, "this file has a header line and no rows")
        if layout is not None:
            return layout
    raise _not_understood(max(starts, key=lambda start: len(start.cells)), options)


@contextmanager
def open_text(path: str) -> Iterator[io.TextIOWrapper]:
    """Opens a file as text; surrogates stand for bytes that are no UTF-8, so that only their row is lost."""
    with reading("--input", path, EXPECTED):
        stream = storage.open_stream(path)
    with io.TextIOWrapper(stream, "utf-8-sig", "surrogateescape", newline="") as lines:
        yield lines


@dataclass(frozen=True, slots=True)
class _Start:
    """A file's first two rows, read with a separator."""

    path: str
    separator: str
    num_before: int
    first: Row | None
    second: Row | None

    @property
    def cells(self) -> tuple[str, ...]:
        return self.first.cells if self.first else ()


def _first_rows(path: str, separator: str, is_named: bool) -> tuple[Row | None, Row | None]:
    with open_text(path) as lines:
        if is_named:
            lines.readline()
        rows = itertools.islice(read_rows(lines, range(_MAX_COLUMNS), separator), 2)
        first, second = (*rows, None, None)[:2]
    return first, second


def _read_head(path: str) -> bytes:
    """Returns a file's first bytes, which are those of a text."""
    with reading("--input", path, EXPECTED), storage.open_stream(path) as stream:
        head = stream.read(_HEAD_BYTES)
    for mark, hint in _NO_TEXT:
        if head.startswith(mark):
            raise ConfigError("--input", path, "UTF-8 text", hint)
    if head.count(0) > _MAX_ZEROS * len(head):
        raise ConfigError("--input", path, "UTF-8 text", "it holds zero bytes, as UTF-16 does: save it as UTF-8")
    return head


def _header(start: _Start, options: CsvOptions) -> Layout | None:
    """Returns the layout that the first row gives as a header line; None where it names no columns that are needed."""
    names = [cell.strip().casefold() for cell in start.cells]
    path = _place(start, names, options.path_column, PATH_COLUMNS)
    label = _place(start, names, options.label_column, LABEL_COLUMNS)
    if path is None or label is None:
        return None
    if path == label:
        raise ConfigError("--label_column", options.label_column, "another column than that of the paths")
    split = _place(start, names, None, SPLIT_COLUMNS)
    return _layout(start, options, path, label, split, start.cells)


def _without_header(start: _Start, options: CsvOptions) -> Layout | None:
    """Returns the layout of lines `path,label` where the first row is one, or is malformed."""
    if options.path_column is not None or options.label_column is not None:
        return None
    is_row = len(start.cells) == 2 and _looks_like_path(start, start.cells[0])
    if not is_row and not (start.first and start.first.problem and start.separator == ","):
        return None
    return _layout(start, options, 0, 1, None, ())


def _layout(
    start: _Start, options: CsvOptions, path: int, label: int, split: int | None, header: Sequence[str]
) -> Layout:
    pattern = storage.absolute(options.input or "")
    base = storage.pattern_folder(pattern) if storage.is_pattern(pattern) else posixpath.dirname(start.path)
    names = tuple(cell.strip() for cell in header)
    return Layout(start.path, base, start.separator, start.num_before, path, label, split, names, len(header) or 2)


def _place(start: _Start, names: Sequence[str], asked: str | None, known: Sequence[str]) -> int | None:
    """Returns the place of the column that is asked for, else of the first known name that is there.

    Raises:
        ConfigError: several columns have that name.
    """
    if asked is not None:
        exact = [place for place, cell in enumerate(start.cells) if normal(cell.strip()) == normal(asked.strip())]
        alike = [place for place, name in enumerate(names) if normal(name) == normal(asked.strip().casefold())]
        places = exact or alike
    else:
        name = next((name for name in known if name in names), None)
        places = [place for place, other in enumerate(names) if other == name]
    if len(places) > 1:
        column = start.cells[places[0]].strip()
        raise ConfigError("--input", start.path, "one column of each name that is read", f"{column!r} is there twice")
    return places[0] if places else None


def _looks_like_path(start: _Start, cell: str) -> bool:
    if _LOOKS_LIKE_IMAGE.fullmatch(cell):
        return True
    folder = posixpath.dirname(start.path)
    if storage.is_local(folder) and "\0" not in cell and os.path.isfile(posixpath.join(folder, cell)):
        return True
    # A name such as image/path is one of a column where what stands below it looks like an image and it doesn't.
    below = start.second.cells[:1] if start.second else ()
    return ("/" in cell or "\\" in cell) and not any(map(_LOOKS_LIKE_IMAGE.fullmatch, below))


def _not_understood(start: _Start, options: CsvOptions) -> ConfigError:
    """Makes the error for a first line that is neither a row nor a header line with the columns that are needed."""
    names = [cell.strip().casefold() for cell in start.cells]
    shown = cut(", ".join(cell.strip() for cell in start.cells), _MOST_SHOWN)
    for flag, asked in (("--path_column", options.path_column), ("--label_column", options.label_column)):
        if asked is not None and _place(start, names, asked, ()) is None:
            return ConfigError(flag, asked, f"a column of {start.path}", f"its columns are {shown}")
    path = _place(start, names, options.path_column, PATH_COLUMNS)
    label = _place(start, names, options.label_column, LABEL_COLUMNS)
    if path is None and label is None:
        hint = f"its first line is {shown}; if that names the columns, add --path_column NAME and --label_column NAME"
        return ConfigError("--input", start.path, EXPECTED, hint)
    flag, known = ("--path_column", PATH_COLUMNS) if path is None else ("--label_column", LABEL_COLUMNS)
    expected = f"a column named {', '.join(known[:-1])} or {known[-1]}"
    return ConfigError("--input", start.path, expected, f"its columns are {shown}; {flag} NAME names another")
