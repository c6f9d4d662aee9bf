"""One request at a time to the front, with nothing of a client's own cleverness in between."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import quote, urlsplit

from tests.fakes.gcs.emulator import Gcs


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(gcs: Gcs, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
    """Sends one request on a connection of its own; whatever http.client raises comes through."""
    address = urlsplit(gcs.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def object_target(gcs: Gcs, name: str) -> str:
    """Path of an object's metadata."""
    return f"/storage/v1/b/{gcs.bucket}/o/{quote(name, safe='')}"


def start_upload(gcs: Gcs, name: str, query: str = "") -> str:
    """Begins a resumable upload; returns path and query of its session."""
    target = f"/upload/storage/v1/b/{gcs.bucket}/o?uploadType=resumable&name={quote(name, safe='')}{query}"
    reply = ask(gcs, "POST", target, b"{}")
    location = str(reply.headers["Location"])
    if reply.status != 200 or not location.startswith(gcs.url):
        raise RuntimeError(f"{reply.status} {location}")
    return location[len(gcs.url) :]


def send_chunk(gcs: Gcs, session: str, body: bytes, content_range: str) -> Reply:
    """Sends one chunk of a resumable upload, or with `*` for its range, a question about it."""
    return ask(gcs, "PUT", session, body, {"Content-Range": content_range})
