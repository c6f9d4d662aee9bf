"""What can go wrong between a client and its bucket, and the seeded draws that decide when."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from tests.fakes.gcs.messages import Request

# A kind, and the status that the client sees; None where the connection is cut instead.
KINDS: dict[str, int | None] = {
    "401": 401,
    "403": 403,
    "404": 404,
    "410": 410,
    "429": 429,
    "500": 500,
    "503": 503,
    # The request is carried out, and answered as if it had not been.
    "503_after": 503,
    # The request is carried out, and the connection cut before the status line.
    "lost": None,
    # The connection is cut inside the body of an upload; a resumable session keeps what came, in steps of 256 KiB.
    "cut_upload": None,
    # The connection is cut inside the body of a download.
    "cut_download": None,
}


@dataclass(frozen=True)
class Fault:
    """One way in which a request may fail.

    Attributes:
        kind: A key of `KINDS`.
        probability: Of each request that it fits, 0-1.
        method: Only requests of this HTTP method; None for all.
        path: Only requests whose unquoted path and query this regular expression is found in; None for all.
        limit: At most this many times; None for no end.
        skip: So many of the requests that it would have hit go well before.
    """

    kind: str
    probability: float = 1.0
    method: str | None = None
    path: str | None = None
    limit: int | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        """Refuses values that would silently never or always fail."""
        if self.kind not in KINDS:
            raise ValueError(f"kind: got {self.kind!r}, expected one of {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability: got {self.probability}, expected 0 to 1")
        if self.path is not None:
            re.compile(self.path)

    def fits(self, request: Request, *, in_batch: bool = False) -> bool:
        """Whether this fault can happen to `request`; `in_batch`: a part of a batch, with no connection of its own."""
        if self.method is not None and request.method != self.method:
            return False
        if self.path is not None and not re.search(self.path, unquote(request.target)):
            return False
        if self.kind == "cut_upload":
            return not in_batch and request.route.operation == "upload" and request.declared_bytes > 0
        if self.kind == "cut_download":
            return not in_batch and request.route.operation == "download"
        return not (in_batch and self.kind == "lost")


# A bucket that fails now and then: one answer in ten is a 503, three transfers in a hundred are cut.
UNRELIABLE = (
    Fault("503", 0.05),
    Fault("503_after", 0.05),
    Fault("cut_upload", 0.03),
    Fault("cut_download", 0.03),
)
# A bucket without permission.
DENIED = (Fault("403"),)


@dataclass(frozen=True)
class Settings:
    """How the front treats requests.

    Attributes:
        latency_seconds: Added to every request, once.
        bandwidth_mb: MB (10^6 bytes) a second for each connection and direction; None for no bound.
        total_bandwidth_mb: The same for all connections together.
        faults: The first whose draw hits happens.
        seed: Of the draws.
    """

    latency_seconds: float = 0.0
    bandwidth_mb: float | None = None
    total_bandwidth_mb: float | None = None
    faults: tuple[Fault, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses rates and delays that are no rates and delays."""
        if self.latency_seconds < 0:
            raise ValueError(f"latency_seconds: got {self.latency_seconds}, expected 0 or more")
        for name in ("bandwidth_mb", "total_bandwidth_mb"):
            rate = getattr(self, name)
            if rate is not None and rate <= 0:
                raise ValueError(f"{name}: got {rate}, expected more than 0, or None for no bound")

    def to_json(self) -> dict[str, Any]:
        """Plain values for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from what `to_json` gave."""
        return cls(**{**values, "faults": tuple(Fault(**fault) for fault in values["faults"])})


@dataclass(frozen=True)
class Hit:
    """A fault that happens: its kind, and where a cut falls, as a fraction (0-1) of the body."""

    kind: str
    fraction: float

    @property
    def status(self) -> int | None:
        """The status that the client gets; None for a cut."""
        return KINDS[self.kind]


class Draws:
    """Decides which requests fail.

    A draw depends on the seed, the request and how many equal ones came before it, not on the order in which threads
    happen to send different requests: two runs of one program fail at the same places.
    """

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._left = [fault.limit for fault in faults]
        self._skip = [fault.skip for fault in faults]

    def next(self, request: Request, *, in_batch: bool = False) -> Hit | None:
        """The fault that happens to this request, or None."""
        if not self._faults:
            return None
        # A session's number differs from run to run.
        key = "\n".join([request.method, re.sub(r"[?&]upload_id=[^&]*", "", request.target), request.range])
        with self._lock:
            self._seen[key] += 1
            for index, fault in enumerate(self._faults):
                hit, fraction = self._uniform(f"{self._seed}\n{index}\n{self._seen[key]}\n{key}")
                left = self._left[index]
                if hit >= fault.probability or left == 0 or not fault.fits(request, in_batch=in_batch):
                    continue
                if self._skip[index]:
                    self._skip[index] -= 1
                    continue
                if left is not None:
                    self._left[index] = left - 1
                return Hit(fault.kind, fraction)
        return None

    @staticmethod
    def _uniform(key: str) -> tuple[float, float]:
        digest = hashlib.sha256(key.encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64, int.from_bytes(digest[8:16], "big") / 2**64
