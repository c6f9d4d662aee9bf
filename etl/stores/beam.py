"""Files of every other kind that Beam's file systems know: `s3://`, `azfs://`, `hdfs://`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from etl.errors import ConfigError, StorageError, one_line
from etl.stores.stored import StoredFile

# Paths handed to Beam together: few enough that one call ends in seconds.
_BATCH = 100


@contextmanager
def _telling(path: str) -> Iterator[Any]:
    """Gives Beam's file systems, and turns what they raise into one line of ours."""
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    try:
        yield FileSystems
    except ValueError as error:
        # "Unable to get filesystem from specified path"
        raise ConfigError("path", path, "a local path, gs:// or a scheme that Beam knows", one_line(error)) from error
    except BeamIOError as error:
        raise StorageError(f"{path}: {one_line(error)}") from error


def exists(path: str) -> bool:
    """Tells whether there is a file of that path."""
    with _telling(path) as systems:
        return bool(systems.exists(path))


def is_folder(path: str) -> bool:
    """Tells whether there is at least one file below a path."""
    with _telling(path) as systems:
        return bool(systems.match([path.rstrip("/") + "/**"], limits=[1])[0].metadata_list)


def version(path: str) -> str:
    """Returns a file's size and when it was written; raises `FileNotFoundError`."""
    with _telling(path) as systems:
        found = systems.match([path], limits=[1])[0].metadata_list
    if not found:
        raise FileNotFoundError(path)
    return f"{found[0].size_in_bytes}-{found[0].last_updated_in_seconds}"


def open_stream(path: str) -> BinaryIO:
    """Opens a file for reading; raises `FileNotFoundError`."""
    if not exists(path):
        raise FileNotFoundError(path)
    with _telling(path) as systems:
        return cast(BinaryIO, systems.open(path, compression_type="uncompressed"))


def read_bytes(path: str) -> bytes:
    """Reads a whole file; raises `FileNotFoundError`."""
    with open_stream(path) as file:
        return file.read()


def create(path: str) -> BinaryIO:
    """Opens a new file for writing."""
    with _telling(path) as systems:
        return cast(BinaryIO, systems.create(path, "application/octet-stream", "uncompressed"))


def write_atomically(path: str, data: bytes) -> None:
    """Writes a file; on an object store it appears whole."""
    with create(path) as file:
        file.write(data)


def move_all(pairs: Iterable[tuple[str, str]]) -> None:
    """Moves files, over what is there; one that was moved already stays.

    Raises:
        FileNotFoundError: neither the source nor the target is there.
    """
    for source, target in pairs:
        if exists(source):
            with _telling(source) as systems:
                systems.rename([source], [target])
        elif not exists(target):
            raise FileNotFoundError(source)


def delete_all(paths: Iterable[str]) -> None:
    """Deletes files; those that aren't there are no error."""
    there = [path for path in paths if exists(path)]
    for start in range(0, len(there), _BATCH):
        with _telling(there[start]) as systems:
            systems.delete(there[start : start + _BATCH])


def delete_tree(folder: str) -> None:
    """Deletes all files below a folder."""
    delete_all([file.path for file in list_files(folder)])


def list_files(folder: str) -> Iterator[StoredFile]:
    """Lists all files below a folder, sorted; nothing where there is none."""
    return list_matches(folder.rstrip("/") + "/**")


def list_folders(folder: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted."""
    start = len(folder.rstrip("/")) + 1
    names = (file.path[start:] for file in list_files(folder))
    return sorted({name.partition("/")[0] for name in names if "/" in name})


def list_matches(pattern: str) -> Iterator[StoredFile]:
    """Lists the files that match a pattern, sorted."""
    with _telling(pattern) as systems:
        results = systems.match([pattern])
    for result in results:
        found = {metadata.path: metadata.size_in_bytes for metadata in result.metadata_list}
        yield from (StoredFile(path, found[path]) for path in sorted(found))


def check_writable(folder: str) -> None:
    """Checks that the scheme is one that Beam knows.

    Raises:
        ConfigError: it isn't.
    """
    exists(folder)
