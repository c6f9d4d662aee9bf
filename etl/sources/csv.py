"""Any list of photographs: a CSV file of paths and labels.

Without a header line, each row is `path,label`. With one, the columns may come in any order, their names in any case:
`path` (or `uri`, `image`, …), `label` (or `class`, …) and, where wanted, `split` with TRAIN, VALIDATE or TEST; others
are passed over. Relative paths start from the folder of the CSV file. The text is UTF-8.

An image's key is its path relative to that folder, or the whole path where it lies elsewhere, so that a row that names
an image again has the same key, however it spells it.
"""

from __future__ import annotations

import io
import itertools
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from etl import paths, storage
from etl.config import SourceOptions
from etl.errors import ConfigError
from etl.records import FeatureSpec, SourceImage
from etl.sources import names, splits, vocabulary
from etl.sources.rows import Row, read_rows

# Where several are there, the first in this order counts.
PATH_COLUMNS = ("path", "uri", "image_path", "image_uri", "file_path", "filepath", "image", "filename", "file")
LABEL_COLUMNS = ("label", "class", "class_name", "label_name", "category")
SPLIT_COLUMNS = ("split", "ml_use", "set", "subset")

# What a split column may hold, in any case, and our own name for it.
SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "validate": "validation",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
    "testing": "test",
}

# An object, and not a bucket alone.
_OBJECT = re.compile(r"gs://[^/]+/.+", re.DOTALL)

_UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
# A header line may have as many.
_MAX_COLUMNS = 1_000

_EXPECTED = "a CSV file of lines path,label or with a header line that names such columns"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a CSV file has what.

    Attributes:
        csv_path: The file; relative paths start from its folder.
        base: The folder that keys are relative to: the same, or where the pattern starts that found the file.
        path: The place of the column of paths, from 0.
        label: That of the labels.
        split: That of the splits, None where there is none.
        num_columns: Of every row.
        has_header: Whether the first row is none of an image.
    """

    csv_path: str
    base: str
    path: int
    label: int
    split: int | None
    num_columns: int
    has_header: bool


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: a CSV file adds none to the common ones."""
    del options
    return {}


def list_paths(options: SourceOptions) -> tuple[str, ...]:
    """Returns the CSV files.

    Raises:
        ConfigError: there is none.
    """
    return tuple(_csv_paths(options))


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or else the distinct labels, sorted, from one pass over the file.

    Raises:
        ConfigError: `--input` or what gives the class names is not as it should be.
    """
    layouts = [_layout(path, options) for path in _csv_paths(options)]
    given = vocabulary.load(options)
    if given is not None:
        return given
    return tuple(sorted({image.label for layout in layouts for image in _read(layout, None) if not image.rejection}))


def list_images(options: SourceOptions) -> Iterator[SourceImage]:
    """Lists the images that the rows name, one row at a time, in the file's order; whether they exist is not looked at.

    Raises:
        ConfigError: `--input` is no such file, has no rows, or lacks a column that is needed.
    """
    layouts = [_layout(path, options) for path in _csv_paths(options)]
    offered = ("column", "hash") if all(layout.split is not None for layout in layouts) else ("hash",)
    way = splits.choose_by(options, offered)
    images = (image for layout in layouts for image in _read(layout, way))
    return vocabulary.mark_unknown(images, vocabulary.load(options))


def _csv_paths(options: SourceOptions) -> list[str]:
    if not options.input:
        raise ConfigError("--input", options.input, _EXPECTED)
    path = storage.absolute(options.input)
    if storage.is_pattern(path):
        paths = list(storage.list_matches(path))
        if not paths:
            raise ConfigError("--input", options.input, _EXPECTED, "no file matches this pattern")
        return paths
    if not storage.exists(path):
        raise ConfigError("--input", options.input, _EXPECTED, "there is no such file")
    if storage.is_local(path) and os.path.isdir(path):
        raise ConfigError("--input", options.input, _EXPECTED, "this is a folder, which --source folder reads")
    return [path]


@contextmanager
def _open(path: str) -> Iterator[io.TextIOWrapper]:
    # Surrogates stand for bytes that are no UTF-8, so that only their row is lost.
    with io.TextIOWrapper(storage.open_stream(path), "utf-8-sig", "surrogateescape", newline="") as lines:
        yield lines


def _layout(path: str, options: SourceOptions) -> _Layout:
    """Learns the columns from the first row."""
    with _open(path) as lines:
        if lines.readline().startswith(_UTF16_MARKS):
            raise ConfigError("--input", path, "UTF-8 text", "this is UTF-16: save it as UTF-8")
    with _open(path) as lines:
        first, second = (*itertools.islice(read_rows(lines, range(_MAX_COLUMNS)), 2), None, None)[:2]
    if first is None:
        raise ConfigError("--input", path, _EXPECTED, "this file is empty")
    pattern = storage.absolute(options.input or "")
    base = storage.pattern_folder(pattern) if storage.is_pattern(pattern) else posixpath.dirname(path)
    names = [cell.strip().lower() for cell in first.cells]
    path_place, label_place = _place(names, PATH_COLUMNS), _place(names, LABEL_COLUMNS)
    if path_place is None and (label_place is None or any(mark in name for name in names for mark in "./")):
        return _Layout(path, base, path=0, label=1, split=None, num_columns=2, has_header=False)
    if path_place is None or label_place is None:
        known = PATH_COLUMNS if path_place is None else LABEL_COLUMNS
        expected = f"a column named {', '.join(known[:-1])} or {known[-1]}"
        raise ConfigError("--input", path, expected, f"its columns are {', '.join(names)}")
    if second is None:
        raise ConfigError("--input", path, _EXPECTED, "this file has a header line and no rows")
    return _Layout(path, base, path_place, label_place, _place(names, SPLIT_COLUMNS), len(names), has_header=True)


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Returns the place of the first known name that is there."""
    return next((names.index(name) for name in known if name in names), None)


def _read(layout: _Layout, way: str | None) -> Iterator[SourceImage]:
    """Yields an image for each row; `way` is how to split, None where only labels are wanted."""
    places = [place for place in (layout.path, layout.label, layout.split) if place is not None]
    with _open(layout.csv_path) as lines:
        for row in itertools.islice(read_rows(lines, places), int(layout.has_header), None):
            problem = row.problem or _problem(layout, row, way)
            if problem:
                message = f"line {row.line}: {problem}"
                yield SourceImage(_origin(layout, row), layout.csv_path, "", rejection="malformed_row", message=message)
                continue
            uri = _resolve(posixpath.dirname(layout.csv_path), row.cells[layout.path])
            split = SPLIT_NAMES[_split(layout, row)] if way == "column" else None
            label = names.normal(row.cells[layout.label].strip())
            yield SourceImage(_key(layout, uri), uri, label, split, origin=_origin(layout, row))


def _problem(layout: _Layout, row: Row, way: str | None) -> str:
    """Returns what is wrong with a row, "" where nothing is."""
    if len(row.cells) != layout.num_columns:
        hint = "; further columns need a header line" if len(row.cells) > layout.num_columns == 2 else ""
        return f"{len(row.cells)} cells instead of {layout.num_columns}{hint}"
    path, label = row.cells[layout.path], row.cells[layout.label].strip()
    if not path.strip() or not label:
        return "no path" if label else "no label"
    if "\0" in path or not _is_utf8(path + label):
        return "no UTF-8 text"
    if wrong := paths.problem(path, posixpath.dirname(layout.csv_path)):
        return f"{path!r} is not {paths.EXPECTED}: {wrong}"
    if not storage.is_local(path) and not _OBJECT.fullmatch(path):
        return f"{path!r} names no object"
    if way == "column" and _split(layout, row) not in SPLIT_NAMES:
        return f"split {row.cells[layout.split or 0]!r}, expected TRAIN, VALIDATE or TEST"
    return ""


def _split(layout: _Layout, row: Row) -> str:
    return "" if layout.split is None else row.cells[layout.split].strip().lower()


def _resolve(folder: str, path: str) -> str:
    """Returns a row's path in full, without `.`, `..` and `//`, so that one image has one name."""
    if not storage.is_local(path):
        return path
    path = posixpath.join(folder, path)
    # Behind a bucket only.
    start = 0 if storage.is_local(path) else path.index("/", path.index("://") + 3)
    return path[:start] + posixpath.normpath(path[start:])


def _origin(layout: _Layout, row: Row) -> str:
    return f"{_key(layout, layout.csv_path)}:{row.line}"


def _key(layout: _Layout, uri: str) -> str:
    return uri.removeprefix(layout.base.rstrip("/") + "/")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
