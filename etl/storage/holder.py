"""The holder of a lock, and for how long it holds it."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from etl.cli import seconds_of
from etl.errors import PetalstreamError

LEASE_VARIABLE = "PETALSTREAM_LEASE_SECONDS"
_DEFAULT_LEASE_SECONDS = 60.0


class LostLockError(PetalstreamError):
    """Another run has taken over what this one held."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds a lock.

    Attributes:
        host: The name of its machine; "" where the lock doesn't say.
        pid: Its process there.
        started: When it took the lock, in ISO 8601.
        seconds: How long its lease lasts without a renewal.
        token: Tells two holders apart.
    """

    host: str = ""
    pid: int = 0
    started: str = ""
    seconds: float = _DEFAULT_LEASE_SECONDS
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def here(cls) -> Holder:
        """Describes this process.

        Raises:
            ConfigError: `PETALSTREAM_LEASE_SECONDS` is no number of seconds above 0.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), now, lease_seconds())

    @classmethod
    def from_json(cls, content: object) -> Holder:
        """Reads what `to_json` returns; whatever else it is given makes a holder that nothing is known of."""
        known = content if isinstance(content, dict) else {}
        defaults = asdict(cls())
        kept = {name: known[name] for name, value in defaults.items() if isinstance(known.get(name), type(value))}
        return cls(**kept)

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON's types."""
        return asdict(self)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.started}" if self.host else "an unknown process"


def lease_seconds() -> float:
    """Returns for how long a lease lasts that its holder does not renew.

    Raises:
        ConfigError: the variable that says so holds no number of seconds above 0.
    """
    return seconds_of(LEASE_VARIABLE, _DEFAULT_LEASE_SECONDS)
