"""HTTP messages as values: what was asked, where it leads, what is answered."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from io import BufferedIOBase
from urllib.parse import parse_qsl, unquote, urlsplit

CHUNK_BYTES = 64 * 1024
# Longer lines than these are no HTTP of our clients.
MAX_LINE_BYTES = 65_536

# Where a path leads, first match first. Names of objects are quoted in paths, so `/` ends them but in raw downloads.
ROUTES: list[tuple[str, str, str]] = [
    ("POST", r"/token", "token"),
    ("GET", r"/v1/.*/allowedLocations", "account"),
    ("POST", r"/batch/storage/v1", "batch"),
    ("POST", r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o", "upload"),
    ("PUT", r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o", "upload"),
    ("DELETE", r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o", "upload_cancel"),
    ("GET", r"/download/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>.+)", "download"),
    ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/storageLayout", "layout"),
    (r"\w+", r"/storage/v1/b(?:/(?P<bucket>[^/]+))?/?", "bucket"),
    ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/o/?", "list"),
    ("POST", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)/(?:rewriteTo|copyTo)/.+", "copy"),
    ("POST", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)/compose", "compose"),
    ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)", "metadata"),
    ("DELETE", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)", "delete"),
    ("PATCH|PUT", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)", "update"),
    ("GET", r"/(?!storage/v1/|upload/|batch/)(?P<bucket>[^/]+)/(?P<name>.+)", "download"),
]


@dataclass(frozen=True)
class Route:
    """Which operation a request is, on which bucket and object; their names are unquoted, "" where there is none."""

    operation: str
    bucket: str = ""
    name: str = ""


@dataclass
class Request:
    """One request, or one part of a batch.

    Attributes:
        method: In capitals.
        target: Path and query, as received.
        headers: As received; names in any case.
        base_url: Scheme and host by which the client reached us.
        body: Without any transfer coding.
        complete: False where the connection was cut inside the body.
    """

    method: str
    target: str
    headers: Message
    base_url: str
    body: bytes = b""
    complete: bool = True

    @cached_property
    def path(self) -> str:
        """The path, still quoted."""
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, str]:
        """The query, unquoted."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def range(self) -> str:
        """The bytes that are sent or asked for, as the client put it."""
        return self.headers.get("Content-Range") or self.headers.get("Range") or ""

    @property
    def declared_bytes(self) -> int:
        """How many bytes of body the client announced; 0 where it said nothing."""
        length = self.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else 0

    @cached_property
    def route(self) -> Route:
        """Where the request leads; operation `other` where to nothing that we know."""
        for methods, pattern, operation in ROUTES:
            match = re.fullmatch(pattern, self.path) if re.fullmatch(methods, self.method) else None
            if match:
                names = {key: unquote(value or "") for key, value in match.groupdict().items()}
                return Route(self._refine(operation), **names)
        return Route("other")

    def _refine(self, operation: str) -> str:
        if operation == "metadata" and self.query.get("alt") == "media":
            return "download"
        if operation == "upload" and "upload_id" in self.query:
            return "upload_status" if self.range.startswith("bytes */") else "upload"
        if operation == "upload" and self.query.get("uploadType") == "resumable":
            return "upload_start"
        return operation


@dataclass
class Answer:
    """One answer: its body in `body`, or still to be read from `stream`, which then holds `num_bytes`."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    stream: http.client.HTTPResponse | None = None
    num_bytes: int = 0

    def __post_init__(self) -> None:
        """Counts the body where it is here."""
        if self.stream is None:
            self.num_bytes = len(self.body)


def json_answer(values: object, status: int = 200) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, [("Content-Type", "application/json; charset=UTF-8")], json.dumps(values).encode())


def error_answer(status: int, message: str) -> Answer:
    """An error as Google Cloud Storage words it."""
    reason = {403: "forbidden", 404: "notFound", 410: "gone", 429: "rateLimitExceeded"}.get(status, "backendError")
    error = {"message": message, "domain": "global", "reason": reason}
    return json_answer({"error": {"code": status, "message": message, "errors": [error]}}, status)


def read_body(
    stream: BufferedIOBase, headers: Message, pace: Callable[[int], None], max_bytes: int | None = None
) -> tuple[bytes, bool]:
    """Reads a request's body.

    TensorFlow announces `Content-Length` and `Transfer-Encoding: chunked` together, and for no body at all it says
    `Transfer-Encoding: identity`: chunked wins, as RFC 9112 has it, and identity means nothing.

    Args:
        stream: The connection, after the head.
        headers: The request's.
        pace: Called with the bytes of each piece.
        max_bytes: Stop after so many, as if the connection were cut there.

    Returns:
        The bytes, and whether they are all that the client had announced.
    """
    pieces: list[bytes] = []
    num_bytes = 0
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    left = 0 if chunked else int(headers.get("Content-Length") or 0)
    while True:
        if max_bytes is not None and num_bytes >= max_bytes:
            return b"".join(pieces), False
        if left == 0:
            if not chunked:
                return b"".join(pieces), True
            line = stream.readline(MAX_LINE_BYTES)
            if not line.strip() and pieces:
                line = stream.readline(MAX_LINE_BYTES)
            if not line:
                return b"".join(pieces), False
            left = int(line.split(b";")[0], 16)
            if left == 0:
                # Trailers, of which our clients send none, end with an empty line.
                while stream.readline(MAX_LINE_BYTES).strip():
                    pass
                return b"".join(pieces), True
        size = min(left, CHUNK_BYTES, left if max_bytes is None else max_bytes - num_bytes)
        piece = stream.read(size)
        pieces.append(piece)
        num_bytes += len(piece)
        left -= len(piece)
        pace(len(piece))
        if len(piece) < size:
            return b"".join(pieces), False
