"""The server: HTTP on loopback, faults to order, long-running operations, a log of what was asked."""

from __future__ import annotations

import json
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.vertex.routes import Body, Call, RefusedError, Request, Route, normalise
from tests.fakes.vertex.store import Store

TYPE_PREFIX = "type.googleapis.com/google.cloud.aiplatform.v1."
_EMPTY = {"@type": "type.googleapis.com/google.protobuf.Empty"}


@dataclass
class Fault:
    """Requests to be refused.

    Attributes:
        method: HTTP's.
        pattern: Found in the path, without version.
        refusal: What to answer with.
        times: How often.
        applied: Whether the request is carried out all the same, as when an answer gets lost.
    """

    method: str
    pattern: str
    refusal: RefusedError
    times: int = 1
    applied: bool = False


@dataclass
class Pending:
    """A long-running operation on its way.

    Attributes:
        polls_left: Looks at it that find it unfinished.
        finish: Makes its response, once.
    """

    metadata: Body
    finish: Callable[[], Body]
    polls_left: int
    result: Body = field(default_factory=dict)


class VertexServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1.

    Attributes:
        store: What there is.
        calls: All requests in order, those refused by a fault included, those for operations not.
        polls: Looks at an operation that find it unfinished, for operations begun from now on.
        state: Whatever else routes want to keep.
    """

    daemon_threads = True

    def __init__(self, routes: Sequence[Route]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes = (*OPERATIONS, *routes)
        self.lock = threading.RLock()
        self.reset()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self) -> None:
        """Forgets everything."""
        self.store = Store()
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.operations: dict[str, Pending] = {}
        self.failing: list[tuple[str, RefusedError]] = []
        self.errors: list[str] = []
        self.polls = 1
        self.state: dict[str, Any] = {}

    def fail(
        self,
        method: str,
        pattern: str,
        status: int,
        message: str = "Injected.",
        *,
        times: int = 1,
        applied: bool = False,
    ) -> None:
        """Has the next requests of that method, with that pattern in their path, refused."""
        self.faults.append(Fault(method, pattern, RefusedError(status, message), times, applied))

    def fail_operation(self, pattern: str, status: int, message: str) -> None:
        """Has the next operation whose name, or type of metadata, holds the pattern fail at its end."""
        self.failing.append((pattern, RefusedError(status, message)))

    def short_calls(self) -> list[str]:
        """The log in short: `POST customJobs`."""
        return [call.short for call in self.calls]

    def bodies(self, short: str) -> list[Body]:
        """The bodies of all requests that are so in short."""
        return [call.body for call in self.calls if call.short == short]

    def begin(self, owner: str, metadata_type: str, response_type: str | None, finish: Callable[[], Body]) -> Body:
        """Begins a long-running operation, and returns what the request that asked for it is answered.

        Args:
            owner: The name of the resource (or its parent) that it is about.
            metadata_type: The SDK's type of its metadata, as `CreateDatasetOperationMetadata`.
            response_type: The SDK's type of its response; None for an empty one.
            finish: Does what is to be done, and returns the response; called when the operation ends.
        """
        name = f"{owner}/operations/{self.store.new_id()}"
        metadata = {"@type": f"{TYPE_PREFIX}{metadata_type}", "genericMetadata": {"createTime": self.store.time()}}

        def result() -> Body:
            done = finish()
            if response_type is None:
                return dict(_EMPTY)
            return {"@type": f"{TYPE_PREFIX}{response_type}", **normalise(response_type, done, what="response")}

        self.operations[name] = Pending(metadata, result, self.polls)
        return {"name": name, "metadata": metadata}

    def look(self, name: str) -> Body:
        """Answers how far an operation is."""
        pending = self.operations.get(name)
        if pending is None:
            raise RefusedError(404, f"Operation {name} is not found.")
        if pending.polls_left > 0:
            pending.polls_left -= 1
            return {"name": name, "metadata": pending.metadata}
        if not pending.result:
            pending.result = self._end(name, pending)
        return {"name": name, "metadata": pending.metadata, "done": True, **pending.result}

    def _end(self, name: str, pending: Pending) -> Body:
        for number, (pattern, refusal) in enumerate(self.failing):
            if re.search(pattern, f"{name} {pending.metadata['@type']}"):
                del self.failing[number]
                # Here the code is gRPC's.
                codes = {400: 3, 403: 7, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14}
                return {"error": {"code": codes[refusal.status], "message": refusal.message}}
        return {"response": pending.finish()}

    def answer(self, method: str, target: str, data: bytes) -> tuple[int, Body]:
        """Answers one request: HTTP's status, and the body."""
        parts = urlsplit(target)
        version, _, path = unquote(parts.path).lstrip("/").partition("/")
        query = {key: value for key, value in parse_qsl(parts.query) if not key.startswith("$")}
        try:
            # The SDK's REST clients ask for operations at the first of the addresses that the API declares for them.
            is_operation = version == "ui" and re.search(r"/operations(/|$)", path)
            if version not in ("v1", "v1beta1") and not is_operation:
                raise RefusedError(404, f"There is nothing at {parts.path}.")
            return 200, self._route(method, path, query, data)
        except RefusedError as refusal:
            error = {"code": refusal.status, "message": refusal.message, "status": refusal.canonical}
            return refusal.status, {"error": error}

    def _route(self, method: str, path: str, query: dict[str, str], data: bytes) -> Body:
        for route in self.routes:
            params = route.match(method, path)
            if params is None:
                continue
            body: Body = {}
            if route.body is not None:
                body = normalise(route.body, json.loads(data or b"{}"))
            elif data and json.loads(data):
                raise RefusedError(400, f"{method} {path} takes no body.")
            if route not in OPERATIONS:
                # A copy: what is stored of it changes later.
                self.calls.append(Call(method, path, query, json.loads(json.dumps(body))))
            fault = self._fault(method, path)
            if fault and not fault.applied:
                raise fault.refusal
            answer = route.answer(self, Request(method, path, query, params, body))
            if fault:
                raise fault.refusal
            return answer
        raise RefusedError(404, f"There is no route for {method} {path}.")

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and re.search(fault.pattern, path):
                fault.times -= 1
                return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One client's connection."""

    server: VertexServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def serve(self) -> None:
        """Answers one request."""
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            try:
                status, body = self.server.answer(self.command, self.path, data)
                content = json.dumps(body).encode()
            except Exception:
                # A bug of the server; the fixture fails the test in which it showed.
                self.server.errors.append(traceback.format_exc())
                status, content = 500, b'{"error": {"code": 500, "message": "bug in the stand-in server"}}'
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve  # noqa: N815 - the base class finds them by name

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the server keeps its own log."""


def _look(server: VertexServer, request: Request) -> Body:
    return server.look(request.path)


# Operations are below projects/P/locations/R, below a resource, or below one of its parts.
OPERATIONS = (
    Route("GET", "{parent}/operations/{operation}", _look),
    Route("GET", "{parent}/{collection}/{id}/operations/{operation}", _look),
    Route("GET", "{parent}/{collection}/{id}/{part}/{part_id}/operations/{operation}", _look),
)


@contextmanager
def run(routes: Sequence[Route]) -> Iterator[VertexServer]:
    """Runs a server in a thread of this process for as long as the block runs."""
    with VertexServer(routes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
