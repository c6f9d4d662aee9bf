"""Writes the folder that a run leaves behind: all of it or nothing, the model last.

Its files: `trainer.layout`.
"""

from __future__ import annotations

import math
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from etl import storage
from etl.errors import ConfigError, limits
from etl.storage import locks
from etl.storage import publishing as exchanges
from trainer import files
from trainer.layout import FILES, MODEL_NAME, SAVED_MODEL_FILE, RunFolders
from trainer.training import checkpoint

# Folders of runs that are going on or were killed.
_UNFINISHED = ".unfinished-"
_BLOCK_BYTES = 1 << 20


@contextmanager
def holding(folders: RunFolders, *, resume: bool = False) -> Iterator[Callable[[], None]]:
    """Makes the folders where there are none, and keeps other runs out of them.

    What a run left half-done that was killed while it published is taken back.

    Args:
        folders: Where the run is to go.
        resume: Whether to wait for another run to end.

    Yields:
        What raises `LostLockError` where another run has taken over, since this one gave no sign of life.

    Raises:
        ConfigError: another run writes there, or a folder can't be written, or is none.
    """
    held = []
    with ExitStack() as stack:
        # In one order everywhere, so that no two runs wait for each other.
        for option, folder in sorted(folders.locked_folders.items(), key=lambda item: item[1]):
            if not files.is_remote(folder) and not os.path.exists(folder):
                stack.push(partial(_remove_created, folder))
            # First: an object store says of a bucket without permission that nothing is there.
            _try_to_write(option, folder)
            path = posixpath.join(folder, locks.LOCK_NAME)
            wait_seconds = math.inf if resume else 0.0
            held.append(stack.enter_context(locks.hold(path, option, folder, wait_seconds=wait_seconds)))
        for name in storage.list_folders(folders.output_dir):
            if name.startswith(_UNFINISHED):
                exchanges.undo(posixpath.join(folders.output_dir, name))
                exchanges.discard(posixpath.join(folders.output_dir, name))

        def check() -> None:
            for lock in held:
                lock.check()

        yield check


def _remove_created(folder: str, kind: type[BaseException] | None, *_: object) -> None:
    """Removes a folder that was made for a run which an operator's mistake ended, if nothing came into it."""
    if kind is not None and issubclass(kind, ConfigError):
        with suppress(OSError):
            os.rmdir(folder)


def check(folders: RunFolders, *, overwrite: bool, resume: bool = False, other: str = "") -> None:
    """Checks, before any work, that a run may end in the folders.

    Args:
        folders: Where the run is to go.
        overwrite: Whether a model that is there may be replaced, and an unfinished run begun anew.
        resume: Whether an unfinished run goes on.
        other: How an unfinished run there differs from this one, so that it can't go on; "" where it can.

    Raises:
        ConfigError: there is a model that may not be replaced, or an unfinished run.
    """
    if overwrite or resume:
        return
    if is_finished(folders):
        raise ConfigError(
            "--output_dir",
            folders.output_dir,
            f"a folder without a model ({folders.model_dir})",
            "add --overwrite to replace it once the new one is done",
        )
    if checkpoint.exists(folders.checkpoint_dir):
        raise ConfigError(
            "--output_dir",
            folders.output_dir,
            f"a folder without an unfinished run ({folders.checkpoint_dir}{other and f', {other}'})",
            "choose another folder, or delete that one to begin anew"
            if other
            else "add --resume to go on with it, or --overwrite to begin anew",
        )


@contextmanager
def publishing(folders: RunFolders, check: Callable[[], None]) -> Iterator[Path]:
    """Gives a scratch folder for what a run makes, and moves it into place when the block ends well.

    What an earlier run left is moved aside first, so that no file of one run lies beside a model of another; the file
    without which a folder is no model comes last. On an error all that was there stays.

    Args:
        folders: Which `holding` holds.
        check: What it yielded.

    Yields:
        An empty local folder for `MODEL_NAME` and any of the files named above.

    Raises:
        StorageError: a disk or an object store fails, also within the block.
    """
    scratch = Path(tempfile.mkdtemp()) if files.is_remote(folders.output_dir) else _make_scratch(folders.output_dir)
    try:
        with files.resumable():
            yield scratch
        with files.writing(folders.output_dir):
            _publish(scratch, folders, check)
    finally:
        exchanges.discard(str(scratch))


def is_finished(folders: RunFolders) -> bool:
    """Returns whether a run has left its model there."""
    return files.exists(posixpath.join(folders.model_dir, SAVED_MODEL_FILE))


def _try_to_write(option: str, folder: str) -> None:
    """Checks that a folder can be written, and makes a local one.

    Raises:
        ConfigError: it can't.
    """
    expected = "a folder that can be written"
    if files.is_remote(folder):
        probe = posixpath.join(folder, f".probe-{os.urandom(8).hex()}")
        with files.translate_errors(option, folder, expected):
            files.write_bytes(probe, b"")
            files.remove(probe)
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        _make_scratch(folder).rmdir()
    except OSError as error:
        raise ConfigError(option, folder, expected, limits.reason(error)) from error


def _publish(scratch: Path, folders: RunFolders, check: Callable[[], None]) -> None:
    """Stages all files on the storage of their places, and exchanges them for those that are there."""
    staging = _stage(scratch, folders.output_dir)
    model_staging = staging
    if posixpath.dirname(folders.model_dir) != folders.output_dir:
        # It may have a disk of its own.
        model_staging = f"{folders.model_dir}{_UNFINISHED}{os.urandom(4).hex()}"
        _copy_tree(scratch / MODEL_NAME, posixpath.join(model_staging, MODEL_NAME))
    try:
        _exchange(staging, model_staging, folders, check)
    finally:
        for folder in {staging, model_staging} - {str(scratch)}:
            if not storage.exists(posixpath.join(staging, exchanges.JOURNAL_NAME)):
                storage.delete_tree(folder)


def _exchange(staging: str, model_staging: str, folders: RunFolders, check: Callable[[], None]) -> None:
    model = posixpath.join(model_staging, MODEL_NAME)
    new = [
        (path, posixpath.join(folders.model_dir, posixpath.relpath(path, model))) for path in storage.list_files(model)
    ]
    new += [
        (posixpath.join(staging, name), posixpath.join(folders.output_dir, name))
        for name in FILES
        if storage.exists(posixpath.join(staging, name))
    ]
    old = [path for name in FILES if storage.exists(path := posixpath.join(folders.output_dir, name))]
    mark = posixpath.join(folders.model_dir, SAVED_MODEL_FILE)
    replaced = [(path, posixpath.join(staging, "replaced", posixpath.basename(path))) for path in old]
    replaced += [
        (path, posixpath.join(model_staging, "replaced", MODEL_NAME, posixpath.relpath(path, folders.model_dir)))
        for path in storage.list_files(folders.model_dir)
        if path not in (mark, posixpath.join(folders.model_dir, locks.LOCK_NAME))
    ]
    placed = [(path, target) for path, target in new if target != mark]
    new_mark = posixpath.join(model, SAVED_MODEL_FILE)
    exchanges.exchange(exchanges.Exchange(staging, mark, new_mark, replaced, placed), check)


def _stage(scratch: Path, output_dir: str) -> str:
    """Returns the folder from which files can be moved to the output; on an object store they are copied there."""
    if not files.is_remote(output_dir):
        return str(scratch)
    staging = posixpath.join(output_dir, f"{_UNFINISHED}{os.urandom(4).hex()}")
    _copy_tree(scratch, staging)
    return staging


def _copy_tree(source: Path, target: str) -> None:
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        copy = posixpath.join(target, path.relative_to(source).as_posix())
        storage.again_if_lost(partial(_copy, path, copy))


def _copy(source: Path, target: str) -> None:
    with open(source, "rb") as original, storage.create(target) as copy:
        shutil.copyfileobj(original, copy, _BLOCK_BYTES)


def _make_scratch(folder: str) -> Path:
    """Makes a hidden folder of a name of its own: two runs at once don't write into each other's."""
    return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
