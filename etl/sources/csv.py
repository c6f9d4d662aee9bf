"""Any list of images: a CSV file of paths and labels.

Without a header line, each row is `path,label`. With one, the columns may come in any order, their names in any case:
`path` (or `uri`, `image`, …), `label` (or `class`, …) and, where wanted, `split` with TRAIN, VALIDATE or TEST;
`--path_column` and `--label_column` name others. Further columns are passed over. Relative paths start from the folder
of the CSV file. The text is UTF-8, cells are separated by commas, semicolons or tabs (`columns.py`).

An image's key is its path relative to that folder, or the whole path where it lies elsewhere, so that a row that names
an image again has the same key, however it spells it.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping

from etl import paths, storage
from etl.errors import ConfigError
from etl.format.features import FeatureSpec
from etl.format.parsing import is_text
from etl.records import SourceImage
from etl.sources import splits, vocabulary
from etl.sources.columns import EXPECTED, CsvOptions, Layout, detect_layout, open_text
from etl.sources.files import names, tree
from etl.sources.notes import NUM_EXAMPLES, Examples
from etl.sources.rows import Row, read_rows
from etl.words import quantity

OPTIONS = CsvOptions

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
# Beside commas.
_OTHER_SEPARATORS: Mapping[str, str] = {";": "semicolons", "\t": "tabs"}

_OBJECT = re.compile(r"gs://[^/]+/.+", re.DOTALL)


def extras(options: CsvOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: a CSV file adds none to the common ones."""
    del options
    return {}


def list_paths(options: CsvOptions) -> tuple[str, ...]:
    """Returns the CSV files.

    Raises:
        ConfigError: there is none.
    """
    return tuple(_csv_paths(options))


def notes(options: CsvOptions) -> list[str]:
    """Returns lines that name the columns that are not read, and another separator than the usual one."""
    lines = []
    for path in _csv_paths(options)[:NUM_EXAMPLES]:
        layout = detect_layout(path, options)
        if layout.separator in _OTHER_SEPARATORS:
            separated = f"line {layout.num_before + 1}: cells are separated by {_OTHER_SEPARATORS[layout.separator]}"
            lines.append(f"{posixpath.basename(path)}: {separated}, not by commas")
        read = {layout.path, layout.label} | (set() if options.split_by == "hash" else {layout.split})
        unused = Examples(
            name or f"number {place + 1}" for place, name in enumerate(layout.header) if place not in read
        )
        if unused.count:
            lines.append(f"{posixpath.basename(path)}: {quantity(unused.count, 'column')} not read: {unused}")
    return lines


def class_names(options: CsvOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or else the distinct labels, sorted, from one pass over the file.

    Raises:
        ConfigError: `--input` or what gives the class names is not as it should be.
    """
    layouts = [detect_layout(path, options) for path in _csv_paths(options)]
    given = vocabulary.load(options)
    if given is not None:
        return given
    return tuple(sorted({image.label for layout in layouts for image in _read(layout, None) if not image.rejection}))


def list_images(options: CsvOptions) -> Iterator[SourceImage]:
    """Lists the images that the rows name, one row at a time, in the file's order; whether they exist is not looked at.

    Raises:
        ConfigError: `--input` is no such file, has no rows, or lacks a column that is needed.
    """
    layouts = [detect_layout(path, options) for path in _csv_paths(options)]
    offered = ("column", "hash") if all(layout.split is not None for layout in layouts) else ("hash",)
    way = splits.choose_by(options, offered)
    images = (image for layout in layouts for image in _read(layout, way))
    return vocabulary.mark_unknown(images, vocabulary.load(options))


def _csv_paths(options: CsvOptions) -> list[str]:
    if not options.input:
        raise ConfigError("--input", options.input, EXPECTED)
    path = storage.absolute(options.input)
    if storage.is_pattern(path):
        # A list is no image, but here it is what is looked for.
        found = (found for found in tree.match(path) if found.ignored in ("", names.DOCUMENT))
        paths = sorted(file.path for file in found)
        if not paths:
            raise ConfigError("--input", options.input, EXPECTED, "no file matches this pattern")
        return paths
    if not storage.exists(path):
        raise ConfigError("--input", options.input, EXPECTED, "there is no such file")
    if storage.is_local(path) and os.path.isdir(path):
        raise ConfigError("--input", options.input, EXPECTED, "this is a folder, which --source folder reads")
    return [path]


def _read(layout: Layout, way: str | None) -> Iterator[SourceImage]:
    """Yields an image for each row; `way` is how to split, None where only labels are wanted."""
    with open_text(layout.csv_path) as lines:
        for _ in range(layout.num_before):
            lines.readline()
        rows = read_rows(lines, layout.key_columns, layout.separator, layout.num_before)
        for row in itertools.islice(rows, int(bool(layout.header)), None):
            problem = row.problem or _problem(layout, row, way)
            if problem:
                message = f"line {row.line}: {problem}"
                yield SourceImage(_origin(layout, row), layout.csv_path, "", rejection="malformed_row", message=message)
                continue
            uri = _spelled(_resolve(posixpath.dirname(layout.csv_path), row.cells[layout.path]))
            split = SPLIT_NAMES[_split(layout, row)] if way == "column" else None
            label = names.normal(row.cells[layout.label].strip())
            yield SourceImage(_key(layout, uri), uri, label, split, origin=_origin(layout, row))


def _problem(layout: Layout, row: Row, way: str | None) -> str:
    """Returns what is wrong with a row, "" where nothing is."""
    if len(row.cells) != layout.num_columns:
        hint = "; further columns need a header line" if len(row.cells) > layout.num_columns == 2 else ""
        return f"{quantity(len(row.cells), 'cell')} instead of {layout.num_columns}{hint}"
    path, label = row.cells[layout.path], row.cells[layout.label].strip()
    if not path.strip() or not label:
        return "no path" if label else "no label"
    if "\0" in path + label or not is_text(path + label):
        return "no UTF-8 text: save the file as UTF-8"
    if wrong := paths.problem(path, posixpath.dirname(layout.csv_path)):
        return f"{path!r} is not {paths.EXPECTED}: {wrong}"
    if not storage.is_local(path) and not _OBJECT.fullmatch(path):
        return f"{path!r} names no object"
    if way == "column" and _split(layout, row) not in SPLIT_NAMES:
        return f"split {row.cells[layout.split or 0]!r}, expected TRAIN, VALIDATE or TEST"
    return ""


def _split(layout: Layout, row: Row) -> str:
    return "" if layout.split is None else row.cells[layout.split].strip().lower()


def _resolve(folder: str, path: str) -> str:
    """Returns a row's path in full, without `.`, `..` and `//`, so that one image has one name."""
    if not storage.is_local(path):
        return path
    path = posixpath.join(folder, path)
    # Behind a bucket only.
    start = 0 if storage.is_local(path) else path.index("/", path.index("://") + 3)
    return path[:start] + posixpath.normpath(path[start:])


def _spelled(path: str) -> str:
    """Returns a local path as it is spelled on disk where it is there only so: a list may come from another system."""
    if not storage.is_local(path) or (path.isascii() and "\\" not in path and path == path.rstrip()):
        return path
    spellings = (path, path.rstrip(), path.replace("\\", "/"), path.rstrip().replace("\\", "/"))
    forms = [spellings, *([unicodedata.normalize(form, text) for text in spellings] for form in ("NFC", "NFD"))]
    return next((text for text in itertools.chain(*forms) if os.path.exists(text)), path)


def _origin(layout: Layout, row: Row) -> str:
    return f"{_key(layout, layout.csv_path)}:{row.line}"


def _key(layout: Layout, uri: str) -> str:
    return uri.removeprefix(layout.base.rstrip("/") + "/")
