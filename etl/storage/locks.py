"""Holds an output for one run, so that no two runs write to it at once.

On a disk the operating system frees the lock when its process ends. On an object store the lock is a lease: an object
that its holder renews, and that another run takes over when the holder no longer does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

from etl import interrupts, paths
from etl.cli import note
from etl.errors import ConfigError
from etl.storage.holder import LEASE_VARIABLE, Holder, LostLockError, lease_seconds

__all__ = ["LEASE_VARIABLE", "LOCK_NAME", "Holder", "Lock", "LostLockError", "hold", "lease_seconds"]

# In the folder that a run writes to.
LOCK_NAME = ".lock"
# Between two looks at a lock that another run holds: on an object store each look is two requests.
_LOOK_SECONDS = 0.2
_REMOTE_LOOK_SECONDS = 2.0


class Lock(Protocol):
    """A lock of one kind of storage."""

    # Whether a lock that is held is known to be held by a run that is alive.
    is_certain: bool

    def acquire(self) -> Holder | None:
        """Takes the lock if it is free; returns None then, else its holder.

        Raises:
            OSError, PetalstreamError: it can't be written.
        """

    def check(self) -> None:
        """Checks that the lock is still this run's.

        Raises:
            LostLockError: another run has taken it over.
        """

    def release(self) -> None:
        """Frees the lock."""

    def fileno(self) -> int:
        """Returns the file descriptor that holds the lock on a disk; -1 where there is none."""


@contextmanager
def hold(path: str, option: str, got: str, *, wait_seconds: float = 0.0) -> Iterator[Lock]:
    """Holds a lock while the block runs.

    Args:
        path: The lock's file or object.
        option: The option that names the output.
        got: Its value, for messages.
        wait_seconds: How long to wait for a run that holds it and is alive; `math.inf` for as long as it takes. A lease
            that nobody renews is always waited for, since its run may be dead.

    Yields:
        The lock, which `check` tells to be held.

    Raises:
        ConfigError: another run holds it, or it can't be written.
    """
    lock = _make(path)
    try:
        _acquire(lock, path, option, got, wait_seconds)
    except OSError as error:
        raise ConfigError(option, got, "a folder that can be written", error.strerror or "") from error
    try:
        # A lease outlives a process that ends without releasing it.
        with interrupts.undoing() if paths.is_remote(path) else nullcontext():
            yield lock
    finally:
        lock.release()


def _make(path: str) -> Lock:
    if paths.is_remote(path):
        from etl.storage.gcs_lease import Lease

        return Lease(path)
    from etl.storage.disk_lock import DiskLock

    return DiskLock(path)


def _acquire(lock: Lock, path: str, option: str, got: str, wait_seconds: float) -> None:
    seconds = _REMOTE_LOOK_SECONDS if paths.is_remote(path) else _LOOK_SECONDS
    deadline = time.monotonic() + wait_seconds
    is_told = False
    while (holder := lock.acquire()) is not None:
        if lock.is_certain and time.monotonic() >= deadline:
            hint = "wait until it ends, or choose another output"
            raise ConfigError(option, got, f"an output that no other run is writing to; {holder} is", hint)
        if not is_told:
            why = "" if lock.is_certain else f", or to go {holder.seconds:g} s without a sign of life"
            note(f"{got}: {holder} is writing there; waiting for it to end{why}")
            is_told = True
        time.sleep(min(seconds, holder.seconds / 10))
