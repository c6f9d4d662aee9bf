"""An output folder: the data set in it, what unfinished runs have left, and who may write to it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

from etl import storage
from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.format import layout, manifest
from etl.paths import join
from etl.storage import locks, publishing


@contextmanager
def holding(config: EtlConfig) -> Iterator[None]:
    """Holds the output, and takes back what a run left that was killed while it published.

    Raises:
        ConfigError: another run holds it, or it can't be written.
    """
    wait_seconds = math.inf if config.resume else 0.0
    path = join(config.output, locks.LOCK_NAME)
    with locks.hold(path, "--output", config.output, wait_seconds=wait_seconds):
        if unfinished_runs(config.output):
            path = join(config.output, publishing.LOCK_NAME)
            with locks.hold(path, "--output", config.output, wait_seconds=math.inf):
                recover(config.output)
        yield


def check(config: EtlConfig) -> str:
    """Checks that the run would replace no data set unless it may.

    Returns:
        The digest of the manifest that is there, see `content_digest`.

    Raises:
        ConfigError: the output is a file, or holds a data set.
    """
    if storage.is_local(config.output) and os.path.isfile(config.output):
        raise ConfigError("--output", config.output, "a folder, and this is a file")
    old = read_manifest(config.output)
    if old is not None and not (config.overwrite or config.resume):
        raise _taken(config)
    return content_digest(old)


def is_complete(config: EtlConfig, job: str) -> bool:
    """Tells whether the output already holds what a resumed run would make.

    Args:
        config: The run's configuration.
        job: Its digest, see `etl.plan.resume.job_digest`.

    Raises:
        ConfigError: it holds another data set, which may not be replaced.
    """
    if not config.resume or not storage.exists(join(config.output, layout.MANIFEST_NAME)):
        return False
    if manifest.load(config.output, storage.read_text).run.get("job") == job:
        return True
    if not config.overwrite:
        raise _taken(config)
    return False


def _taken(config: EtlConfig) -> ConfigError:
    hint = "add --overwrite to replace it once the new one is complete"
    return ConfigError("--output", config.output, "a folder without a data set", hint)


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
