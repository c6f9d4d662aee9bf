"""An output folder: the data set in it, and what unfinished runs have left."""

from __future__ import annotations

import hashlib

from etl import storage
from etl.format import layout
from etl.paths import join
from etl.storage import publishing


def read_manifest(output: str) -> bytes | None:
    """Reads the manifest of the data set in an output; None where there is none."""
    try:
        return storage.read_bytes(join(output, layout.MANIFEST_NAME))
    except (FileNotFoundError, NotADirectoryError):
        return None


def content_digest(manifest: bytes | None) -> str:
    """Returns the SHA-256 of a manifest's file; "" of none."""
    return hashlib.sha256(manifest).hexdigest() if manifest is not None else ""


def recover(output: str) -> None:
    """Takes back what a run that was killed while it published has left half-done; the caller holds the lock for it."""
    for folder in unfinished_runs(output):
        publishing.undo(folder)


def unfinished_runs(output: str) -> list[str]:
    """Returns the folders of runs into this output that are going on or were killed."""
    names = storage.list_folders(output)
    return [f"{output}/{name}" for name in names if layout.is_building(name)]
