"""A walk over local folders that lists each file once, whatever links lead where.

A link to a folder is followed where nothing else leads there: out of the input, or to a hidden folder in it. A class
folder may itself be a link, also to another class folder: then its files stand under two labels, which the plan counts
and reports. All other links to folders are passed over, since what they lead to is listed at its own place, and so are
those that lead back up. A link to a file is that file under another name: it is passed over where the file is listed
in the same class folder. Hard links are files like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from etl.errors import ConfigError
from etl.format import layout
from etl.sources.files import names
from etl.sources.files.found import FoundFile, as_text
from etl.sources.files.patterns import MatchAll, Pattern, States


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on the way.

    Attributes:
        path: By which it was reached.
        prefix: Its path relative to where the walk started, with a slash behind it; "" for the start.
        real: Its path without links.
        linked: Whether a link leads here.
        states: Of the pattern.
    """

    path: str
    prefix: str
    real: str
    linked: bool
    states: States


@dataclass(slots=True)
class _Entries:
    """The names in one folder: `folders` and `links` are some of `names`, `others` are neither folders nor files."""

    names: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


class Walk:
    """One walk.

    Args:
        start: The folder, without a slash at its end.
        output: The run's own output, which is passed over.
        pattern: Chooses files and folders; None for all.
    """

    def __init__(self, start: str, output: str | None = None, pattern: Pattern | None = None) -> None:
        self._pattern = pattern or MatchAll()
        self._start = _Folder(start, "", os.path.realpath(start or "/"), False, self._pattern.start)
        self._output = os.path.realpath(output) if output else None
        # Folders that a link led to, or that lie below such, by their real paths; of one class folder.
        self._visited: set[str] = set()

    def files(self) -> Iterator[FoundFile]:
        """Yields all files and what is passed over, folder by folder, each folder's entries sorted by name."""
        # Not by recursion: a path of 4,096 bytes may be 2,000 folders deep.
        stack = [self._list(self._start)]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif isinstance(found, FoundFile):
                yield found
            else:
                stack.append(self._list(found))

    def folders(self) -> list[str]:
        """Returns the names of the folders directly in the first one that the walk goes into, sorted."""
        found = (item for item in self._list(self._start) if isinstance(item, _Folder))
        return [as_text(folder.prefix[:-1]) for folder in found if not self._is_dataset(folder, _scan(folder))]

    def _list(self, folder: _Folder) -> Iterator[FoundFile | _Folder]:
        entries = _scan(folder)
        if folder.prefix and self._is_dataset(folder, entries):
            yield _passed_over(folder.path, folder.prefix[:-1], names.DATASET)
            return
        for name in sorted(entries.names):
            if not folder.prefix:
                self._visited = set()
            if name in entries.folders:
                yield from self._enter(folder, name, linked=name in entries.links)
            else:
                yield from self._file(folder, name, entries)

    def _enter(self, folder: _Folder, name: str, *, linked: bool) -> Iterator[FoundFile | _Folder]:
        path, inner = f"{folder.path}/{name}", folder.prefix + name
        states = self._pattern.enter(folder.states, name)
        if not states:
            return
        kind = names.of_folder(name) if not self._pattern.names_exactly(folder.states, name) else ""
        real = os.path.realpath(path) if linked else f"{folder.real.rstrip('/')}/{name}"
        if not kind and linked and self._is_reached_anyway(folder, name, real):
            kind = names.LINK
        if not kind and (linked or folder.linked):
            if real in self._visited:
                kind = names.LINK
            self._visited.add(real)
        if kind:
            yield _passed_over(path, inner, kind)
        else:
            yield _Folder(path, f"{inner}/", real, linked or folder.linked, states)

    def _is_reached_anyway(self, folder: _Folder, name: str, real: str) -> bool:
        """Tells whether a link to a folder leads back up, or to a folder that the walk comes to anyway."""
        if self._start.real == real or self._start.real.startswith(f"{real.rstrip('/')}/"):
            return True
        if isinstance(self._pattern, Pattern):
            return not self._pattern.chooses(folder.states, name) and self._class_of(real) is not None
        return bool(folder.prefix) and self._class_of(real) is not None

    def _file(self, folder: _Folder, name: str, entries: _Entries) -> Iterator[FoundFile]:
        if not self._pattern.takes(folder.states, name):
            return
        path, inner = f"{folder.path}/{name}", folder.prefix + name
        kind = "" if self._pattern.names_exactly(folder.states, name) else names.of_file(name)
        is_link = name in entries.links and name not in entries.others
        if not kind and is_link and self._is_listed_too(folder, os.path.realpath(path)):
            kind = names.LINK
        yield _passed_over(path, inner, kind) if kind else found(inner, path, is_file=name not in entries.others)

    def _is_listed_too(self, folder: _Folder, real: str) -> bool:
        """Tells whether the walk comes to the file behind a link, and gives it the same class."""
        if isinstance(self._pattern, Pattern):
            beside, _, name = real.rpartition("/")
            return beside == folder.real and self._pattern.takes(folder.states, name)
        there = self._class_of(real)
        return there is not None and (not folder.prefix or names.normal(folder.prefix.partition("/")[0]) == there)

    def _class_of(self, real: str) -> str | None:
        """Returns the class folder below which the walk comes to a file or folder; None where it doesn't."""
        start = f"{self._start.real.rstrip('/')}/"
        if not real.startswith(start):
            return None
        first, slash, rest = real[len(start) :].partition("/")
        if names.of_path(f"{first}/{rest}/")[0] or not (slash or os.path.isdir(real)):
            return None
        return names.normal(first)

    def _is_dataset(self, folder: _Folder, entries: _Entries) -> bool:
        if folder.real == self._output or any(map(layout.is_building, entries.folders)):
            return True
        if layout.MANIFEST_NAME not in entries.names:
            return False
        try:
            with open(f"{folder.path}/{layout.MANIFEST_NAME}", "rb") as file:
                return names.is_manifest(file.read(names.MANIFEST_HEAD_BYTES))
        except OSError:
            return False


def found(name: str, path: str, *, is_file: bool) -> FoundFile:
    """Describes a local file, with what is known against it."""
    if as_text(path) != path:
        # Examples, manifests and listings hold UTF-8: such a path couldn't even be named there.
        return FoundFile(as_text(name), as_text(path), "the file's name is no valid UTF-8: rename it")
    if not is_file and os.path.exists(path):
        # Opening a pipe would wait for ever. A dangling link is left to be found missing.
        return FoundFile(name, path, "a pipe, socket or device, and no file")
    return FoundFile(name, path)


def _passed_over(path: str, name: str, kind: str) -> FoundFile:
    return FoundFile(as_text(name), as_text(path), ignored=kind)


def _scan(folder: _Folder) -> _Entries:
    result = _Entries()
    try:
        with os.scandir(folder.path or "/") as entries:
            for entry in entries:
                _sort_in(entry, result)
    except OSError as error:
        raise ConfigError("--input", folder.path, "a folder that this user may read", error.strerror or "") from None
    return result


def _sort_in(entry: os.DirEntry[str], result: _Entries) -> None:
    result.names.append(entry.name)
    if entry.is_symlink():
        result.links.add(entry.name)
    try:
        if entry.is_dir():
            result.folders.add(entry.name)
        elif not entry.is_file():
            result.others.add(entry.name)
    except OSError:
        # A link to itself, or into a folder that this user may not read: it is found missing when it is read.
        result.others.add(entry.name)
