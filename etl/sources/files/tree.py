"""The files below a folder, or those that match a pattern: a source's inputs, and what is passed over.

Each file comes once, whatever links there are (`etl.sources.files.local`); what is known to hold no image comes with
its kind (`etl.sources.files.names`). Object stores have no links.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from etl import storage
from etl.format import layout
from etl.parallel import ordered_map
from etl.sources.files import names
from etl.sources.files.found import FoundFile
from etl.sources.files.local import Walk
from etl.sources.files.patterns import Pattern
from etl.storage.reading import NUM_READERS
from etl.storage.stored import StoredFile


def walk(folder: str, output: str | None = None) -> Iterator[FoundFile]:
    """Yields all files below a folder, folder by folder, each folder's entries sorted by name.

    Lists one local folder at a time, so memory doesn't grow with their number.

    Args:
        folder: Local or on an object store.
        output: The run's own output, which is passed over where it lies within the folder.
    """
    folder = folder.rstrip("/")
    if storage.is_local(folder):
        yield from Walk(folder, output).files()
        return
    datasets = frozenset(f"{folder}/{name}" for name in _datasets(folder, _visible(folder)))
    yield from _stored(storage.scan(folder), folder, datasets | {output or ""})


def match(pattern: str, output: str | None = None) -> Iterator[FoundFile]:
    """Yields all files that match a pattern; `name` is relative to the folder in which the pattern starts."""
    start = storage.pattern_folder(pattern)
    if storage.is_local(pattern):
        if storage.is_folder(start or "/"):
            yield from Walk(start, output, Pattern(pattern[len(start) + 1 :].split("/"))).files()
        return
    ending = os.path.splitext(pattern)[1]
    for found in _stored(storage.scan_matches(pattern), start, frozenset({output or ""})):
        if found.ignored == names.DOCUMENT and found.name.endswith(ending or "/"):
            yield replace(found, ignored="")
        # As on a disk, wildcards stand for no dot in front.
        elif found.ignored != names.HIDDEN:
            yield found


def list_folders(folder: str, output: str | None = None) -> list[str]:
    """Returns the names of the folders directly in a folder that `walk` goes into, sorted."""
    if storage.is_local(folder):
        return Walk(folder.rstrip("/"), output).folders() if storage.is_folder(folder) else []
    visible = _visible(folder)
    datasets = _datasets(folder, visible)
    return [name for name in visible if name not in datasets and f"{folder}/{name}" != output]


def is_dataset(folder: str) -> bool:
    """Tells whether a folder holds a data set that `etl.run` wrote."""
    path = f"{folder}/{layout.MANIFEST_NAME}"
    if not storage.exists(path):
        return False
    try:
        with storage.open_stream(path) as stream:
            return names.is_manifest(stream.read(names.MANIFEST_HEAD_BYTES))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return False


def _visible(folder: str) -> list[str]:
    return [name for name in storage.list_folders(folder) if not names.of_folder(name)]


def _datasets(folder: str, candidates: Iterable[str]) -> frozenset[str]:
    """Returns which of the folders in a store's folder hold data sets."""
    candidates = list(candidates)
    found = ordered_map(is_dataset, (f"{folder}/{name}" for name in candidates), NUM_READERS)
    return frozenset(name for name, is_one in zip(candidates, found, strict=True) if is_one)


def _stored(files: Iterable[StoredFile], start: str, datasets: frozenset[str]) -> Iterator[FoundFile]:
    """Yields the files of a store's listing; a folder that is passed over comes once: its files are neighbours."""
    passed_over = ""
    for file in files:
        name = file.path[len(start) + 1 :]
        # Consoles make "folders" by empty objects whose name ends with a slash.
        if not name or name.endswith("/") or (passed_over and file.path.startswith(passed_over)):
            continue
        kind, ignored = names.of_path(name)
        dataset = next((path for path in datasets if path and file.path.startswith(f"{path}/")), "")
        if dataset and len(dataset) <= len(f"{start}/{ignored}"):
            kind, ignored = names.DATASET, dataset[len(start) + 1 :]
        if not kind:
            yield FoundFile(name, file.path, listed=file)
            continue
        passed_over = f"{start}/{ignored}/" if ignored != name else ""
        yield FoundFile(ignored, f"{start}/{ignored}", listed=file if ignored == name else None, ignored=kind)
