"""Carries requests to the emulator and its answers back, and does itself what the emulator does wrong or not at all."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.fakes.gcs import batches
from tests.fakes.gcs.messages import Answer, Request, error_answer, json_answer
from tests.fakes.gcs.sessions import RangeError, Sessions

TIMEOUT_SECONDS = 60
# About one connection, or set anew for each.
HOP_HEADERS = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
LINKS = re.compile(rb'("(?:mediaLink|selfLink)"\s*:\s*")https?://[^/"]*')


class Emulator:
    """One client's connection to the emulator, opened when it is needed and kept."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
        self._response: http.client.HTTPResponse | None = None

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: Sequence[bytes | bytearray] = ()
    ) -> http.client.HTTPResponse:
        """Sends one request, its body in pieces; returns the answer with its body unread.

        Raises:
            RuntimeError: the emulator does not answer.
        """
        # An answer that nobody read to its end, because its client was cut off, blocks the connection.
        if self._response is not None and not self._response.isclosed():
            self._connection.close()
        length = str(sum(map(len, body)))
        try:
            self._connection.request(method, target, iter(body), {**headers, "Content-Length": length})
            self._response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"the emulator does not answer {method} {target}") from error
        return self._response

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


class Bridge:
    """Answers requests out of the emulator; one for each connection, all with the same `sessions`."""

    def __init__(self, emulator: Emulator, sessions: Sessions) -> None:
        self._emulator = emulator
        self._sessions = sessions

    def answer(self, request: Request, answer_part: Callable[[Request], Answer]) -> Answer:
        """Carries one request out.

        Args:
            request: With its whole body; one that was cut short only as part of a resumable upload.
            answer_part: Answers one request of a batch.

        Returns:
            The answer, its links leading to where the client came in.
        """
        match request.route.operation:
            case "batch":
                return batches.join([answer_part(part) for part in batches.split(request)])
            case "layout":
                return self._layout(request)
            case "upload_start":
                return self._start(request)
            case "upload" | "upload_status" if "upload_id" in request.query:
                return self._continue(request)
            case "upload" if request.query.get("uploadType") == "media":
                content_type = request.headers.get("Content-Type", "")
                return self._store(request, request.base_url, content_type, b"{}", request.body)
            case "upload_cancel":
                return self._sessions.cancel(request)
            case "download":
                return self._download(request)
            case "delete":
                if not self._has_generation(request):
                    return error_answer(412, "At least one of the pre-conditions you specified did not hold.")
                answer = self._forward(request)
                # The emulator says 200 and `null`.
                return Answer(204) if answer.status == 200 else answer
            case _:
                return self._forward(request)

    def _forward(self, request: Request) -> Answer:
        response = self._emulator.send(request.method, request.target, end_to_end(request), [request.body])
        return read_answer(response, request.base_url)

    def _has_generation(self, request: Request) -> bool:
        """Whether an object has the generation that a deletion asks for, at which the emulator doesn't look."""
        expected = request.query.get("ifGenerationMatch")
        if expected is None:
            return True
        found = read_answer(self._emulator.send("GET", request.path, {}), request.base_url)
        return found.status != 200 or json.loads(found.body)["generation"] == expected

    def _download(self, request: Request) -> Answer:
        """Streams an object, whichever of the three addresses of its bytes was asked for."""
        route = request.route
        query = urlencode({**request.query, "alt": "media"})
        target = f"/download/storage/v1/b/{quote(route.bucket, safe='')}/o/{quote(route.name, safe='')}?{query}"
        response = self._emulator.send("GET", target, end_to_end(request))
        if response.status == 416:
            # The emulator announces no body, sends one all the same, and hangs up.
            self._emulator.close()
            return error_answer(416, "The requested range cannot be satisfied")
        if response.status >= 300 or response.length is None:
            return read_answer(response, request.base_url)
        return Answer(response.status, kept_headers(response), stream=response, num_bytes=response.length)

    def _layout(self, request: Request) -> Answer:
        """TensorFlow asks for this when it renames a directory; the emulator does not know it."""
        bucket = request.route.bucket
        response = read_answer(self._emulator.send("GET", f"/storage/v1/b/{quote(bucket)}", {}), request.base_url)
        if response.status != 200:
            return response
        layout = {"kind": "storage#storageLayout", "bucket": bucket, "location": "US", "locationType": "multi-region"}
        return json_answer({**layout, "hierarchicalNamespace": {"enabled": False}})

    def _start(self, request: Request) -> Answer:
        bucket = quote(request.route.bucket)
        found = read_answer(self._emulator.send("GET", f"/storage/v1/b/{bucket}", {}), request.base_url)
        if found.status != 200:
            return found
        location = f"{request.base_url}{request.target}&upload_id={self._sessions.start(request)}"
        return Answer(200, [("Location", location)])

    def _continue(self, request: Request) -> Answer:
        session = self._sessions.find(request)
        if session is None:
            return error_answer(404, "No such upload session")
        with session.lock:
            if session.final is not None:
                return session.final
            content_range = request.headers.get("Content-Range", "")
            try:
                done = session.receive(content_range, request.body, complete=request.complete)
            except RangeError as error:
                return error_answer(error.status, str(error))
            if not done:
                return session.progress()
            start = session.start
            content_type = start.headers.get("X-Upload-Content-Type", "")
            answer = self._store(start, request.base_url, content_type, start.body, session.kept)
            if answer.status < 500:
                session.final = answer
                session.kept = bytearray()
            return answer

    def _store(
        self, start: Request, base_url: str, content_type: str, metadata: bytes, data: bytes | bytearray
    ) -> Answer:
        """Makes an object by the one kind of upload whose `ifGenerationMatch` the emulator honours, multipart."""
        query = [(key, value) for key, value in parse_qsl(urlsplit(start.target).query) if key != "uploadType"]
        boundary = "one-object"
        while boundary.encode() in data:
            boundary += "-more"
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n".encode() + (metadata.strip() or b"{}")
        content_type = content_type or "application/octet-stream"
        middle = f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        target = f"{start.path}?{urlencode([*query, ('uploadType', 'multipart')])}"
        headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
        return read_answer(self._emulator.send("POST", target, headers, [head + middle, data, tail]), base_url)


def end_to_end(request: Request) -> dict[str, str]:
    """The request's headers that are not about its connection."""
    return {name: value for name, value in request.headers.items() if name.lower() not in HOP_HEADERS}


def kept_headers(response: http.client.HTTPResponse) -> list[tuple[str, str]]:
    """The answer's headers that are not about its connection."""
    return [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_HEADERS]


def read_answer(response: http.client.HTTPResponse, base_url: str) -> Answer:
    """Reads an answer whole; links in it lead to `base_url`, or the client's reads would go past the front."""
    body = response.read()
    if "json" in (response.getheader("Content-Type") or ""):
        body = LINKS.sub(rb"\g<1>" + base_url.encode(), body)
    return Answer(response.status, kept_headers(response), body)
