"""The files below a folder, or those that match a pattern, as a source's inputs.

Names that start with a dot are no inputs: macOS and version control leave them everywhere, and object stores have
`.keep` files. Everything else is one, whatever its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from etl import storage
from etl.errors import ConfigError
from etl.records import StoredFile


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file.

    Attributes:
        name: Its path relative to where the search started, with slashes: `daisy/123.jpg`.
        path: Its full path.
        problem: Why it can't be read as a file, "" where nothing is known against it.
        listed: What an object store's listing says of it.
    """

    name: str
    path: str
    problem: str = ""
    listed: StoredFile | None = None

    @property
    def parent(self) -> str:
        """The name of the folder that it lies in."""
        return self.path.rsplit("/", 2)[-2]


def walk(folder: str) -> Iterator[FoundFile]:
    """Yields all files below a folder, folder by folder, each folder's entries sorted by name.

    Lists one local folder at a time, so memory doesn't grow with their number. Follows symbolic links, those that lead
    back to a folder above excepted.
    """
    folder = folder.rstrip("/")
    if storage.is_local(folder):
        yield from _walk_local(folder, "", frozenset({os.path.realpath(folder)}))
        return
    for file in storage.scan(folder):
        name = file.path[len(folder) + 1 :]
        if _is_input(name):
            yield FoundFile(name, file.path, listed=file)


def match(pattern: str) -> Iterator[FoundFile]:
    """Yields all files that match a pattern, sorted; `name` is relative to the folder in which the pattern starts."""
    start = storage.pattern_folder(pattern)
    for file in storage.scan_matches(pattern):
        name = file.path[len(start) + 1 :]
        if not _is_input(name):
            continue
        if storage.is_local(file.path):
            yield _found(name, file.path, is_file=os.path.isfile(file.path))
        else:
            yield FoundFile(name, file.path, listed=file)


def list_folders(folder: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted."""
    return sorted(_text(name) for name in storage.list_folders(folder) if not _is_hidden(name))


def _walk_local(folder: str, prefix: str, above: frozenset[str]) -> Iterator[FoundFile]:
    names: list[str] = []
    folders: set[str] = set()
    special: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    continue
                names.append(entry.name)
                if entry.is_dir():
                    folders.add(entry.name)
                elif not entry.is_file():
                    special.add(entry.name)
    except PermissionError:
        raise ConfigError("--input", folder, "a folder that this user may read") from None
    for name in sorted(names):
        path = f"{folder}/{name}"
        if name not in folders:
            yield _found(prefix + name, path, is_file=name not in special)
            continue
        real = os.path.realpath(path)
        if real not in above:
            yield from _walk_local(path, f"{prefix}{name}/", above | {real})


def _found(name: str, path: str, *, is_file: bool) -> FoundFile:
    if _text(path) != path:
        # Examples, manifests and listings hold UTF-8: such a path couldn't even be named there.
        return FoundFile(_text(name), _text(path), "the file's name is no valid UTF-8: rename it")
    if not is_file and os.path.exists(path):
        # Opening a pipe would wait for ever. A dangling link is left to be found missing.
        return FoundFile(name, path, "a pipe, socket or device, and no file")
    return FoundFile(name, path)


def _is_input(name: str) -> bool:
    # Consoles make "folders" by empty objects whose name ends with a slash.
    return bool(name) and not name.endswith("/") and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name


def _text(path: str) -> str:
    """Returns a path with whatever is no valid UTF-8 written out as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace") if not path.isascii() else path
