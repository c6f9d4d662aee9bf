"""Files by path through TensorFlow, which reads and writes local disks and object stores alike.

TensorFlow remembers for some seconds what an object store said of a file, so nothing here asks again about a file that
it has just written or removed.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import paths
from etl.cli import import_tensorflow, say_loading
from etl.errors import ConfigError, LimitError, PetalstreamError, limits, one_line, translate_limits
from etl.storage.retries import announce_wait

if TYPE_CHECKING:
    import tensorflow as tf
# For a small file, a store that is well answers in less than one.
_PATIENCE_SECONDS = 5.0
# What TensorFlow gives a meaning in the name of a file.
_PATTERN = re.compile(r"[*?\[\]{}\\]")
# What TensorFlow puts around the answer of an object store.
_NOISE = re.compile(r"Error executing an HTTP request: |\s*when (?:reading|writing|initiating|composing)? ?gs://\S+.*")


def is_remote(path: str) -> bool:
    """Returns whether a path is one on an object store; raises `ConfigError` for one that is not supported."""
    return paths.is_remote(path)


def read_text(path: str) -> str:
    """Reads a whole file as UTF-8.

    Raises:
        FileNotFoundError: there is none.
    """
    return read_bytes(path).decode()


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        FileNotFoundError: there is none.
    """
    tf = tensorflow()
    try:
        with _announce_wait(path), tf.io.gfile.GFile(path, "rb") as file:
            data: bytes = file.read()
            return data
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(path) from error


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file that is whole or not there; on an object store every write is."""
    tf = tensorflow()
    target = path if is_remote(path) else f"{path}.new"
    try:
        with _announce_wait(path), tf.io.gfile.GFile(target, "wb") as file:
            file.write(data)
        if target != path:
            tf.io.gfile.rename(target, path, overwrite=True)
    except tf.errors.OpError:
        if target != path:
            Path(target).unlink(missing_ok=True)
        raise


def exists(path: str) -> bool:
    """Returns whether there is such a file or folder."""
    if not is_remote(path):
        return os.path.lexists(path)
    tf = tensorflow()
    with _announce_wait(path):
        return bool(tf.io.gfile.exists(path))


def remove(path: str) -> None:
    """Removes a file or a folder with all that is in it; nothing where there is none."""
    if not is_remote(path):
        shutil.rmtree(path) if os.path.isdir(path) else Path(path).unlink(missing_ok=True)
        return
    tf = tensorflow()
    if tf.io.gfile.isdir(path):
        tf.io.gfile.rmtree(path)
    elif tf.io.gfile.exists(path):
        tf.io.gfile.remove(path)


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Gives a file that exists as a local one, for libraries that know no object store; a local one as it is."""
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="petalstream-") as folder:
        copy = os.path.join(folder, posixpath.basename(path))
        Path(copy).write_bytes(read_bytes(path))
        yield copy


@contextmanager
def literal_path(folder: str) -> Iterator[str]:
    """Gives a folder by a name that is no pattern to TensorFlow, which looks for a model's variables by one."""
    if is_remote(folder) or not _PATTERN.search(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="petalstream-") as scratch:
        link = os.path.join(scratch, "folder")
        os.symlink(os.path.abspath(folder), link)
        yield link


_RESUME = "the same command with --resume goes on from the last backup"
_LESS_MEMORY = "a smaller --batch_size takes less"


class StorageError(PetalstreamError):
    """A disk or an object store that failed when a run needed it."""


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Makes of a store that fails in the middle of a run one line.

    Args:
        path: What is being written.

    Raises:
        StorageError: from within the block.
    """
    tf = tensorflow()
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        if isinstance(error, tf.errors.OpError):
            reason = limits.describe(error) or _mend(error, path)
        else:
            reason = limits.reason(error)
        raise StorageError(f"{path}: can't be written: {reason}; {_RESUME}") from error


@contextmanager
def resumable() -> Iterator[None]:
    """Says of a limit of the machine that is met after the training that nothing of that is lost.

    Raises:
        LimitError: from within the block.
    """
    try:
        with translate_limits(_LESS_MEMORY):
            yield
    except LimitError as error:
        raise LimitError(f"{error}; {_RESUME}") from error


@contextmanager
def translate_errors(option: str, path: str, expected: str) -> Iterator[None]:
    """Makes of what an object store refuses the operator's mistake, in one line.

    Args:
        option: That named the path.
        path: As given.
        expected: What it should have been.

    Raises:
        ConfigError: from within the block: no permission, no such bucket, no answer.
    """
    tf = tensorflow()
    try:
        yield
    except tf.errors.OpError as error:
        raise ConfigError(option, path, expected, _mend(error, path)) from error


def _mend(error: tf.errors.OpError, path: str) -> str:
    tf = tensorflow()
    if isinstance(error, tf.errors.PermissionDeniedError | tf.errors.UnauthenticatedError):
        return "the account that this runs as may not (roles/storage.objectAdmin on the bucket is enough)"
    if isinstance(error, tf.errors.NotFoundError):
        return "there is no such bucket" if is_remote(path) else "there is no such folder"
    return one_line(_NOISE.sub("", str(error.message)))[:300]


@contextmanager
def _announce_wait(path: str) -> Iterator[None]:
    """Says of an object store that doesn't answer soon that it is waited for: TensorFlow tries again without a word."""
    if not is_remote(path):
        yield
        return
    line = f"{path}: no answer for {_PATIENCE_SECONDS:g} s; a store that can't be reached is asked again for minutes"
    with announce_wait(_PATIENCE_SECONDS, line):
        yield


def tensorflow() -> Any:
    """Imports TensorFlow quietly, and doesn't start it: how it is to run isn't settled yet."""
    say_loading("tensorflow")
    import_tensorflow()
    import tensorflow as tf

    return tf
