"""Files of the operating system."""

from __future__ import annotations

import glob
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from etl.errors import ConfigError, limits
from etl.storage.stored import StoredFile


class _NamedFile(io.FileIO):
    """A file whose errors name it."""

    def write(self, data: Any) -> int:
        with limits.name_file(str(self.name)):
            return super().write(data) or 0


def exists(path: str) -> bool:
    """Tells whether there is a file or a folder of that path."""
    return os.path.exists(path)


def is_folder(path: str) -> bool:
    """Tells whether there is a folder of that path."""
    return os.path.isdir(path)


def version(path: str) -> str:
    """Returns a file's size and when it was written and changed; raises `FileNotFoundError`."""
    status = os.stat(path)
    # Copying tools set the time of writing back; nobody can set the other.
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def open_stream(path: str) -> BinaryIO:
    """Opens a file for reading; raises `FileNotFoundError`."""
    return open(path, "rb")


def read_bytes(path: str) -> bytes:
    """Reads a whole file; raises `FileNotFoundError`."""
    with limits.name_file(path), open(path, "rb", buffering=0) as file:
        return file.read()


def create(path: str) -> BinaryIO:
    """Opens a new file for writing, and makes the folders above it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return io.BufferedWriter(_NamedFile(path, "wb"))


def write_atomically(path: str, data: bytes) -> None:
    """Writes a file beside its place and renames it; where that fails, nothing is left beside it."""
    partial = f"{path}.partial"
    try:
        with create(partial) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(partial)
        # The name that the caller knows.
        error.filename, error.filename2 = path, None
        raise


def write_new(path: str, data: bytes) -> None:
    """Writes a file where there is none; whoever writes there holds a lock, so nobody else does so meanwhile.

    Raises:
        FileExistsError: there is one.
    """
    if os.path.lexists(path):
        raise FileExistsError(path)
    write_atomically(path, data)


def delete_same(path: str, data: bytes) -> bool:
    """Deletes a file if it holds these bytes; returns whether there is none now."""
    try:
        if read_bytes(path) != data:
            return False
        os.unlink(path)
    except FileNotFoundError:
        pass
    return True


def move_all(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files, over what is there; one that was moved already stays.

    Raises:
        FileNotFoundError: neither the source nor the target is there.
    """
    for source, target in pairs:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(source, target)
        except FileNotFoundError:
            if not os.path.exists(target):
                raise FileNotFoundError(source) from None


def delete_all(paths: Iterable[str]) -> None:
    """Deletes files; those that aren't there are no error."""
    for path in paths:
        Path(path).unlink(missing_ok=True)


def delete_tree(folder: str) -> None:
    """Deletes a folder and all below it; none there is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def list_files(folder: str) -> Iterator[StoredFile]:
    """Lists all files below a folder, sorted by name folder by folder; nothing where there is none."""
    if not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = f"{folder.rstrip('/')}/{entry.name}"
            if entry.is_dir():
                yield from list_files(path)
            else:
                yield StoredFile(path)


def list_folders(folder: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted; none where there is no such folder."""
    if not os.path.isdir(folder):
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def list_matches(pattern: str) -> Iterator[StoredFile]:
    """Lists the files that match a pattern, sorted."""
    return (StoredFile(path) for path in sorted(glob.iglob(pattern, recursive=True)) if not os.path.isdir(path))


def check_writable(folder: str, probe: str) -> None:
    """Checks that files can be made in a folder, which need not be there yet.

    Raises:
        ConfigError: this user may not.
    """
    there = os.path.abspath(folder)
    try:
        os.lstat(there)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        # A name that is too long, or a folder above that is closed to this user.
        raise ConfigError("--output", folder, "a folder that can be made", limits.reason(error)) from None
    if os.path.islink(there) and not os.path.exists(there):
        raise ConfigError("--output", folder, "a folder", f"this is a link to {os.readlink(there)}, which is not there")
    while not os.path.exists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise ConfigError("--output", folder, "a folder", f"{there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError("--output", folder, "a folder that this user may write to", f"{there} is not")
