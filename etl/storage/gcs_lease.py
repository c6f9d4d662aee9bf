"""A lock on an object store: an object that its holder renews three times as often as it would run out.

All that others see is whether the object's generation changes, so that no two clocks are compared: a lease has run out
when one reader has seen the same generation for as long as the lease says.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time

from etl.cli import note
from etl.errors import PetalstreamError
from etl.storage import gcs_versions
from etl.storage.holder import Holder, LostLockError

_RENEWALS = 3
# A run that ends doesn't wait long for a service that fails.
_RELEASE_SECONDS = 5.0


class Lease:
    """A lease on an object of Google Cloud Storage.

    Args:
        path: The object.
    """

    def __init__(self, path: str) -> None:
        self.is_certain = False
        self._path = path
        self._mine = Holder.here()
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        # Of the object when it is ours, and when that was last known.
        self._generation, self._renewed, self._count = 0, 0.0, 0
        self._lost: Holder | None = None
        # Of another run's object, and since when it has been so.
        self._seen, self._seen_since = (0, ""), 0.0

    def acquire(self) -> Holder | None:
        """Takes the lease if it is free or has run out; returns None then, else its holder.

        Raises:
            ConfigError, StorageError: as for `etl.storage`.
        """
        while True:
            if self._write(0):
                self._thread.start()
                return None
            if (found := gcs_versions.read(self._path)) is not None:
                break
        holder, now = _decode(found[0]), _now()
        if self._seen != (found[1], holder.token):
            # Renewed while we looked: the run is alive.
            self.is_certain = self._seen[1] == holder.token
            self._seen, self._seen_since = (found[1], holder.token), now
        elif now - self._seen_since >= holder.seconds and self._write(found[1]):
            note(f"{self._path}: taken over; {holder} has not renewed it")
            self._thread.start()
            return None
        return holder

    def check(self) -> None:
        """Checks that the lease is still this run's, and renews it where that was not done in time.

        Raises:
            LostLockError: another run has taken it over.
            StorageError: the store can't be asked.
        """
        if self._lost is None and _now() - self._renewed > self._mine.seconds / 2:
            self._renew(None)
        if self._lost is not None:
            raise LostLockError(
                f"{self._path}: this run gave no sign of life for {self._mine.seconds:g} s, and {self._lost} has taken "
                "its place; what this run has made is not published"
            )

    def release(self) -> None:
        """Ends the renewals and deletes the object; where that fails, the lease runs out by itself."""
        self._ended.set()
        self._thread.join(_RELEASE_SECONDS)
        if self._lost is None:
            with contextlib.suppress(PetalstreamError, OSError):
                gcs_versions.delete(self._path, self._generation, _RELEASE_SECONDS)

    def fileno(self) -> int:
        """Returns -1: no file descriptor holds it."""
        return -1

    def _keep(self) -> None:
        seconds = self._mine.seconds / _RENEWALS
        while not self._ended.wait(seconds):
            # Where it fails it is tried again in time, or found lost by `check`.
            with contextlib.suppress(PetalstreamError, OSError):
                self._renew(seconds)

    def _renew(self, retry_seconds: float | None) -> None:
        with self._guard:
            if self._lost is not None or self._ended.is_set() or self._write(self._generation, retry_seconds):
                return
            found = gcs_versions.read(self._path)
            # Somebody may have deleted it by hand.
            if found is not None or not self._write(0, retry_seconds):
                self._lost = _decode(found[0]) if found else Holder()

    def _write(self, generation: int, retry_seconds: float | None = None) -> bool:
        """Writes the object if it has a generation, 0 for none; returns whether it had."""
        self._count += 1
        data = json.dumps({**self._mine.to_json(), "renewals": self._count}).encode()
        now = _now()
        made = gcs_versions.write(self._path, data, generation, retry_seconds)
        if made is None:
            return False
        self._generation, self._renewed = made, now
        return True


def _decode(data: bytes) -> Holder:
    try:
        return Holder.from_json(json.loads(data))
    except (ValueError, RecursionError):
        return Holder(token=data.hex()[:32])


def _now() -> float:
    """Returns seconds that also pass while the machine sleeps, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
