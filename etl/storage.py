"""Files by path, local or on an object store.

Local paths go through the operating system. Paths with a scheme (`gs://`, `s3://`, `hdfs://`) go through Beam's file
systems, imported when the first such path is met.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_WILDCARD = re.compile(r"[*?[]")


def is_local(path: str) -> bool:
    """Tells whether a path has no scheme."""
    return _SCHEME.match(path) is None


def exists(path: str) -> bool:
    """Tells whether there is a file (on a local disk also: a folder) of that path."""
    return os.path.exists(path) if is_local(path) else bool(_beam().exists(path))


def is_folder(path: str) -> bool:
    """Tells whether there is a folder of that path; on an object store: at least one object below it."""
    if is_local(path):
        return os.path.isdir(path)
    results = _beam().match([path.rstrip("/") + "/**"], limits=[1])
    return bool(results[0].metadata_list)


def version(path: str) -> str:
    """Returns a text that changes when the file does: its size and when it was written.

    Raises:
        FileNotFoundError: there is none.
    """
    if is_local(path):
        status = os.stat(path)
        return f"{status.st_size}-{status.st_mtime_ns}"
    metadata = _beam().match([path], limits=[1])[0].metadata_list
    if not metadata:
        raise FileNotFoundError(path)
    return f"{metadata[0].size_in_bytes}-{metadata[0].last_updated_in_seconds}"


def open_stream(path: str) -> BinaryIO:
    """Opens a file for reading its bytes one after the other.

    Raises:
        FileNotFoundError: there is none.
    """
    if is_local(path):
        return open(path, "rb")
    if not exists(path):
        raise FileNotFoundError(path)
    return cast(BinaryIO, _beam().open(path, compression_type="uncompressed"))


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: there is none.
    """
    if is_local(path):
        with open(path, "rb", buffering=0) as file:
            return file.read()
    with open_stream(path) as file:
        return file.read()


def read_text(path: str) -> str:
    """Reads a whole file as UTF-8.

    Raises:
        FileNotFoundError: there is none.
    """
    return read_bytes(path).decode("utf-8")


def create(path: str) -> BinaryIO:
    """Opens a new file for writing bytes, and makes the folders above it where they matter."""
    if is_local(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")
    return cast(BinaryIO, _beam().create(path, "application/octet-stream", "uncompressed"))


def write_atomically(path: str, data: bytes) -> None:
    """Writes a file so that nobody ever sees half of it: objects appear whole, local files by renaming."""
    if not is_local(path):
        with create(path) as file:
            file.write(data)
        return
    partial = f"{path}.partial"
    with create(partial) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def move(source: str, target: str) -> None:
    """Moves one file, over what is there; within one store nothing is copied."""
    if is_local(source):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
    else:
        _beam().rename([source], [target])


def delete(path: str) -> None:
    """Deletes one file; none there is no error."""
    if is_local(path):
        Path(path).unlink(missing_ok=True)
    elif exists(path):
        _beam().delete([path])


def delete_tree(folder: str) -> None:
    """Deletes a folder and all below it; none there is no error."""
    if is_local(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    paths = list(list_files(folder))
    if paths:
        _beam().delete(paths)


def list_files(folder: str) -> Iterator[str]:
    """Lists the paths of all files below a folder, sorted by name folder by folder; nothing where there is none."""
    if not is_local(folder):
        pattern = folder.rstrip("/") + "/**"
        for result in _beam().match([pattern]):
            yield from sorted(metadata.path for metadata in result.metadata_list)
        return
    if not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = f"{folder.rstrip('/')}/{entry.name}"
            if entry.is_dir():
                yield from list_files(path)
            else:
                yield path


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
    if is_local(pattern):
        yield from (path for path in sorted(glob.iglob(pattern, recursive=True)) if not os.path.isdir(path))
        return
    for result in _beam().match([pattern]):
        yield from sorted(metadata.path for metadata in result.metadata_list)


def absolute(path: str) -> str:
    """Returns a local path in full, so that workers in another folder find it; other paths as they are."""
    return os.path.abspath(os.path.expanduser(path)) if is_local(path) else path


def _beam() -> Any:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems
