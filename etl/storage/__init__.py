"""Files by path, local or on an object store.

Local paths go through the operating system, `gs://` through Google's client, which is imported when the first such path
is met; other schemes are rejected, see `etl.paths`.

Whatever a store fails for is tried again for a while; what remains is raised as `ConfigError` where the operator can
fix it (no such bucket, no permission, no credentials) and as `StorageError` where the store itself fails.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import BinaryIO, TypeVar

from etl import paths
from etl.errors import UploadLostError
from etl.storage.stored import StoredFile

_Result = TypeVar("_Result")

_WILDCARD = re.compile(r"[*?[]")
# Forgotten uploads are rare, and several in a row are something else.
_NUM_ATTEMPTS = 3


def is_local(path: str) -> bool:
    """Tells whether a path has no scheme; raises `ConfigError` for one that is not supported."""
    return not paths.is_remote(path)


def lists_digests(path: str) -> bool:
    """Tells whether the store of a path says sizes and digests when it lists, so that no file need be read for them."""
    return path.startswith("gs://")


def exists(path: str) -> bool:
    """Tells whether there is a file (on a local disk also: a folder) of that path."""
    return bool(_store(path).exists(path))


def is_folder(path: str) -> bool:
    """Tells whether there is a folder of that path; on an object store: at least one object below it."""
    return bool(_store(path).is_folder(path))


def version(path: str) -> str:
    """Returns a text that changes when the file does.

    Raises:
        FileNotFoundError: there is none.
    """
    return str(_store(path).version(path))


def open_stream(path: str) -> BinaryIO:
    """Opens a file for reading its bytes one after the other; seeking is possible.

    Raises:
        FileNotFoundError: there is none.
    """
    stream: BinaryIO = _store(path).open_stream(path)
    return stream


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: there is none.
    """
    data: bytes = _store(path).read_bytes(path)
    return data


def read_text(path: str) -> str:
    """Reads a whole file as UTF-8.

    Raises:
        FileNotFoundError: there is none.
    """
    return read_bytes(path).decode("utf-8")


def create(path: str) -> BinaryIO:
    """Opens a new file for writing bytes, and makes the folders above it where they matter.

    On an object store the file appears when it is closed, or not at all where an exception ends its `with` block.
    """
    stream: BinaryIO = _store(path).create(path)
    return stream


def write_atomically(path: str, data: bytes) -> None:
    """Writes a file so that nobody ever sees half of it: objects appear whole, local files by renaming."""
    _store(path).write_atomically(path, data)


def write_new(path: str, data: bytes) -> None:
    """Writes a file as `write_atomically` does, where there is none.

    Args:
        path: Of the file.
        data: Its bytes, which no other writer writes.

    Raises:
        FileExistsError: there is one.
    """
    _store(path).write_new(path, data)


def delete_same(path: str, data: bytes) -> bool:
    """Deletes a file if it still holds what it is expected to; returns whether there is none now."""
    return bool(_store(path).delete_same(path, data))


def again_if_lost(function: Callable[[], _Result]) -> _Result:
    """Calls a function that writes files from the beginning, and again where the store forgot one half-way."""
    for _ in range(_NUM_ATTEMPTS - 1):
        try:
            return function()
        except UploadLostError:
            continue
    return function()


def move(source: str, target: str) -> None:
    """Moves one file, over what is there; within one store no byte passes through here.

    Raises:
        FileNotFoundError: there is none, and none at the target either: a file that was moved already stays.
    """
    move_all([(source, target)])


def move_all(pairs: Iterable[tuple[str, str]]) -> None:
    """Moves files within one store as `move` does, on object stores many at a time."""
    pairs = list(pairs)
    if pairs:
        _store(pairs[0][0]).move_all(pairs)


def delete(path: str) -> None:
    """Deletes one file; none there is no error."""
    _store(path).delete_all([path])


def delete_all(paths: Iterable[str]) -> None:
    """Deletes files of one store, on object stores many at a time; those that aren't there are no error."""
    paths = list(paths)
    if paths:
        _store(paths[0]).delete_all(paths)


def delete_tree(folder: str) -> None:
    """Deletes a folder and all below it; none there is no error."""
    _store(folder).delete_tree(folder)


def list_files(folder: str) -> Iterator[str]:
    """Lists the paths of all files below a folder in a stable order; nothing where there is none."""
    return (file.path for file in scan(folder))


def scan(folder: str) -> Iterator[StoredFile]:
    """Lists all files below a folder in a stable order, with what the listing itself says of them."""
    files: Iterator[StoredFile] = _store(folder).list_files(folder)
    return files


def list_folders(folder: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted; none where there is no such folder."""
    names: list[str] = _store(folder).list_folders(folder)
    return names


def is_pattern(path: str) -> bool:
    """Tells whether a path holds one of the wildcards `*`, `?`, `[`; a local file of just that name is none."""
    return _WILDCARD.search(path) is not None and not (is_local(path) and os.path.exists(path))


def pattern_folder(pattern: str) -> str:
    """Returns the folder in which a pattern starts: all of it before the first part with a wildcard."""
    wildcard = _WILDCARD.search(pattern)
    fixed = pattern[: wildcard.start()] if wildcard else pattern
    return fixed[: fixed.rindex("/")] if "/" in fixed else ""


def list_matches(pattern: str) -> Iterator[str]:
    """Lists the paths of the files that match a pattern, sorted; `**` stands for any depth of folders."""
    return (file.path for file in scan_matches(pattern))


def scan_matches(pattern: str) -> Iterator[StoredFile]:
    """Lists the files that match a pattern, sorted, with what the listing itself says of them."""
    files: Iterator[StoredFile] = _store(pattern).list_matches(pattern)
    return files


def look_up(paths: Iterable[str]) -> Iterator[StoredFile | None]:
    """Finds many files of a store that lists digests in its listings, in few requests.

    Args:
        paths: All of such a store (`lists_digests`), sorted.

    Yields:
        For each what the listing says; None where there is no such file.
    """
    from etl.storage import gcs

    return gcs.look_up(paths)


def check_writable(folder: str, probe: str) -> None:
    """Checks that a folder, which need not be there yet, can be written to, before hours of work are lost to it.

    Args:
        folder: Local, or on an object store.
        probe: Name below it of the object that is written and deleted where a store can't be asked otherwise.

    Raises:
        ConfigError: it can't.
    """
    _store(folder).check_writable(folder, probe)


def absolute(path: str) -> str:
    """Returns a local path in full, so that workers in another folder find it; other paths as they are."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path


def _store(path: str) -> ModuleType:
    """Returns the module for a path, importing it if need be."""
    return importlib.import_module("etl.storage.disk" if is_local(path) else "etl.storage.gcs")
