"""A lock on a disk, which the operating system frees when the process that holds it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path

from etl.cli import note
from etl.storage.holder import Holder

# A file system that has no locks, such as some that are mounted over a network, says one of these.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_MAX_BYTES = 4096


class DiskLock:
    """A locked file; it is gone when it is free.

    Args:
        path: The file; the folders above it are made.
    """

    is_certain = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._made: list[Path] = []

    def acquire(self) -> Holder | None:
        """Takes the lock if it is free; returns None then, else its holder.

        Raises:
            OSError: the file can't be written.
        """
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(descriptor)
                os.close(descriptor)
                return holder
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    os.close(descriptor)
                    raise
                note(f"{self._path}: the file system has no locks; let no other run write there")
            if self._is_current(descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(Holder.here().to_json()).encode(), 0)
                self._descriptor = descriptor
                return None
            # Its holder deleted it between our opening and our locking it.
            os.close(descriptor)

    def check(self) -> None:
        """Does nothing: a process can't lose it."""

    def release(self) -> None:
        """Deletes the file, and the folders that were made for it and hold nothing else, and frees the lock."""
        Path(self._path).unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def fileno(self) -> int:
        """Returns the file descriptor; a process that inherits it holds the lock as well."""
        return self._descriptor

    def _open(self) -> int:
        folder = Path(self._path).parent
        while True:
            missing = [each for each in (folder, *folder.parents) if not each.exists()]
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError:
                if folder.is_dir() or not folder.exists():
                    # Deleted by a holder that made it, between two looks of `mkdir`.
                    continue
                raise
            self._made = missing or self._made
            # A holder that releases it deletes a folder of its own.
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


def _read(descriptor: int) -> Holder:
    try:
        return Holder.from_json(json.loads(os.pread(descriptor, _MAX_BYTES, 0)))
    except ValueError:
        # Taken this moment, and not described yet.
        return Holder()
