"""Batches: one HTTP request that holds many, each answered for itself."""

from __future__ import annotations

import email.parser
import http.client
from collections.abc import Iterator

from tests.fakes.gcs.messages import Answer, Request

BOUNDARY = "batch-of-answers"


def split(batch: Request) -> Iterator[Request]:
    """Yields the requests of a batch.

    google-cloud-storage gives its parts no `Content-ID`, and the emulator skips such parts; so batches are taken apart
    here, which also lets each part fail for itself, as it does in the service.

    Raises:
        ValueError: it is no batch.
    """
    head = f"Content-Type: {batch.headers.get('Content-Type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + batch.body)
    if not message.is_multipart():
        raise ValueError("a batch that is not multipart")
    for part in message.walk():
        if part.get_content_type() != "application/http":
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            raise ValueError("a batch with an empty part")
        # The head's lines end as the client's e-mail library ends them: with a bare line feed.
        top, _, rest = payload.replace(b"\r\n", b"\n").lstrip().partition(b"\n")
        method, target, *_ = top.decode().split(" ")
        headers, _, body = rest.partition(b"\n\n")
        # Targets are whole addresses in google-cloud-storage's batches.
        path = "/" + target.split("/", 3)[3] if "://" in target else target
        parsed = email.parser.BytesParser(http.client.HTTPMessage).parsebytes(headers + b"\n\n")
        yield Request(method, path, parsed, batch.base_url, body)


def join(answers: list[Answer]) -> Answer:
    """One answer that holds all, in the order of the requests."""
    pieces = []
    for number, answer in enumerate(answers, 1):
        phrase = http.client.responses.get(answer.status, "Unknown")
        headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        pieces.append(
            f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <response-{number}>\r\n\r\n"
            f"HTTP/1.1 {answer.status} {phrase}\r\n{head}\r\n".encode()
        )
        pieces.append(answer.body + b"\r\n")
    pieces.append(f"--{BOUNDARY}--\r\n".encode())
    return Answer(200, [("Content-Type", f"multipart/mixed; boundary={BOUNDARY}")], b"".join(pieces))
