"""The line between client and bucket: as slow as it is told to be, and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Sleeping takes longer than asked for; a line that fell behind by up to this much catches up.
SLACK_SECONDS = 0.02
MAX_LOG_LINES = 5_000


@dataclass(frozen=True)
class Counts:
    """What has happened since the last reset.

    Attributes:
        operations: Requests by operation (`download`, `upload`, `list`, ...), the parts of batches included.
        faults: Faults injected, by kind.
        connections: TCP connections.
        bytes_received: Of request bodies.
        bytes_sent: Of answers' bodies.
        latency_seconds: The sum of the latency added.
        pacing_seconds: The sum of the time slept for bandwidth, over all connections.
        errors: Exceptions of the front itself, which are bugs.
        log: The latest requests, one line each.
    """

    operations: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    connections: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    latency_seconds: float = 0.0
    pacing_seconds: float = 0.0
    errors: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Counts:
        """Counts from their fields as JSON has them."""
        lists = {name: tuple(values[name]) for name in ("errors", "log")}
        return cls(**{**values, **lists, **{name: Counter(values[name]) for name in ("operations", "faults")}})


class Ledger:
    """Keeps `Counts` from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Starts again from nothing."""
        with self._lock:
            self._sums: Counter[str] = Counter()
            self._seconds = {"latency_seconds": 0.0, "pacing_seconds": 0.0}
            self._operations: Counter[str] = Counter()
            self._faults: Counter[str] = Counter()
            self._errors: list[str] = []
            self._log: deque[str] = deque(maxlen=MAX_LOG_LINES)

    def operation(self, name: str) -> None:
        """Counts one request."""
        with self._lock:
            self._operations[name] += 1

    def fault(self, kind: str) -> None:
        """Counts one fault that really happened."""
        with self._lock:
            self._faults[kind] += 1

    def add(self, name: str, number: int) -> None:
        """Adds to `connections`, `bytes_received` or `bytes_sent`."""
        with self._lock:
            self._sums[name] += number

    def sleep(self, name: str, seconds: float) -> None:
        """Sleeps, and adds that to `latency_seconds` or `pacing_seconds`."""
        if seconds > 0:
            time.sleep(seconds)
            with self._lock:
                self._seconds[name] += seconds

    def error(self, message: str) -> None:
        """Keeps a bug of the front."""
        with self._lock:
            self._errors.append(message)

    def log(self, line: str) -> None:
        """Keeps one line about a request."""
        with self._lock:
            self._log.append(line)

    def to_json(self) -> dict[str, Any]:
        """The fields of `Counts`."""
        with self._lock:
            sums = {name: self._sums[name] for name in ("connections", "bytes_received", "bytes_sent")}
            lists = {"errors": list(self._errors), "log": list(self._log)}
            return {
                "operations": dict(self._operations),
                "faults": dict(self._faults),
                **sums,
                **self._seconds,
                **lists,
            }


class Line:
    """One direction of one connection, or of all together: bytes leave one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def reserve(self, num_bytes: int, rate_mb: float | None, now: float) -> float:
        """Takes the line for `num_bytes` at `rate_mb` (10^6 bytes a second); returns the seconds that they need."""
        if rate_mb is None:
            return 0.0
        with self._lock:
            self._free_at = max(self._free_at, now - SLACK_SECONDS) + num_bytes / (rate_mb * 1e6)
            return self._free_at - now
