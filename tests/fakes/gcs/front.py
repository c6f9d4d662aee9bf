"""The front: one port that both clients reach, slow and faulty to order, with the emulator behind it.

Beam's client comes by plain HTTP. TensorFlow has Google's hosts compiled in, but honours a proxy: it says CONNECT, and
the TLS that it then speaks ends here.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
import traceback
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fakes.gcs.bridge import Bridge, Emulator
from tests.fakes.gcs.faults import Draws, Hit, Settings
from tests.fakes.gcs.lines import Ledger, Line
from tests.fakes.gcs.messages import CHUNK_BYTES, Answer, Request, error_answer, json_answer, read_body
from tests.fakes.gcs.sessions import Sessions

IDLE_SECONDS = 300
# About the account and not the bucket, so never slow or faulty: a token, and the regions (none excluded) for which
# google-auth asks in a thread of its own.
ACCOUNT = {
    "token": {"access_token": "x", "token_type": "Bearer", "expires_in": 3600},
    "account": {"locations": [], "encodedLocations": "0x0"},
}


class Front(ThreadingHTTPServer):
    """Serves on 127.0.0.1, each connection in a thread of its own.

    Args:
        emulator: Host and port behind it.
        certificate_path: PEM, for the hosts that a CONNECT may name.
        key_path: The certificate's key, PEM.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, emulator: tuple[str, int], certificate_path: Path, key_path: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.emulator = emulator
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate_path, key_path)
        self.sessions = Sessions()
        self.ledger = Ledger()
        self.lines = {"bytes_received": Line(), "bytes_sent": Line()}
        self.configure(Settings())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def configure(self, settings: Settings) -> None:
        """Changes the settings, for requests that begin from now on; the draws start anew."""
        self.settings, self.draws = settings, Draws(settings.faults, settings.seed)

    def handle_error(self, request: object, client_address: object) -> None:
        """Prints nothing: `Handler.finish` has kept it."""


class Handler(BaseHTTPRequestHandler):
    """One client's connection."""

    server: Front
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        """Prepares the way to the emulator."""
        super().setup()
        self.server.ledger.add("connections", 1)
        self.base_url = self.server.url
        self.lines = {"bytes_received": Line(), "bytes_sent": Line()}
        self.emulator = Emulator(self.server.emulator)
        self.bridge = Bridge(self.emulator, self.server.sessions)

    def finish(self) -> None:
        """Closes both sides, and keeps what went wrong in here; a client that goes away is its own business."""
        error = sys.exc_info()[1]
        # Before the client can notice, or its test might look too early.
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError)):
            self.server.ledger.error(traceback.format_exc())
        self.emulator.close()
        # A client that was cut off takes no last bytes.
        with suppress(OSError):
            super().finish()
        # After TLS began this is another socket than the one that the server will close.
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `serve` keeps its own log."""

    def handle_expect_100(self) -> bool:
        """Asks for the body at once; left in the buffer, this answer costs TensorFlow's client a second an upload."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def do_CONNECT(self) -> None:
        """Ends the client's TLS here, where the host is one of Google's."""
        host, _, port = self.path.partition(":")
        if not host.endswith(".googleapis.com") or port != "443":
            self.send_answer("CONNECT", error_answer(403, f"{self.path}: only *.googleapis.com:443 is to be had here"))
            return
        self.send_response_only(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.request = self.server.tls.wrap_socket(self.connection, server_side=True)
        super().setup()
        self.base_url = f"https://{host}"
        self.close_connection = False

    def serve(self) -> None:
        """Answers one request, or makes it fail."""
        server, ledger = self.server, self.server.ledger
        settings, draws = server.settings, server.draws
        request = Request(self.command, self.path, self.headers, self.base_url)
        operation = request.route.operation
        ledger.operation(operation)
        if operation in ACCOUNT:
            read_body(self.rfile, self.headers, lambda _: None)
            self.send_answer(self.command, json_answer(ACCOUNT[operation]))
            return
        hit = draws.next(request)
        cut_at = int(hit.fraction * request.declared_bytes) if hit and hit.kind == "cut_upload" else None
        request.body, request.complete = read_body(self.rfile, self.headers, self.pace_received, cut_at)
        ledger.sleep("latency_seconds", settings.latency_seconds)
        answer = self.carry_out(request, hit)
        status = str(answer.status) if answer else "cut"
        words = [request.method, request.target, request.range, "->", status, hit.kind if hit else ""]
        ledger.log(" ".join(filter(None, words)))
        if answer is None or not request.complete:
            self.cut()
            return
        if hit and hit.kind == "cut_download" and answer.stream is not None:
            ledger.fault(hit.kind)
            self.send_answer(request.method, answer, int(hit.fraction * answer.num_bytes))
            self.cut()
            return
        self.send_answer(request.method, answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - the base class finds them by name

    def carry_out(self, request: Request, hit: Hit | None, *, in_batch: bool = False) -> Answer | None:
        """The answer to a request under a fault; None where the connection is to be cut instead."""
        if hit and hit.kind != "cut_download":
            self.server.ledger.fault(hit.kind)
        if hit and hit.status and hit.kind != "503_after":
            return error_answer(hit.status, "Injected")
        # Of an upload that broke off only a resumable session keeps anything.
        if not request.complete and "upload_id" not in request.query:
            return None
        answer = self.bridge.answer(request, self.answer_part)
        if hit and hit.kind in ("lost", "cut_upload"):
            return None
        if hit and hit.kind == "503_after":
            return error_answer(503, "Injected")
        # google-cloud-storage does not try again after a cut inside an error's body.
        cut_error = hit and hit.kind == "cut_download" and answer.stream is None and not in_batch
        if cut_error:
            self.server.ledger.fault("cut_download")
        return None if cut_error else answer

    def answer_part(self, part: Request) -> Answer:
        """Answers one request of a batch."""
        server = self.server
        server.ledger.operation(part.route.operation)
        hit = server.draws.next(part, in_batch=True)
        answer = self.carry_out(part, hit, in_batch=True)
        if answer is None:
            raise RuntimeError(f"a part of a batch was cut: {part.method} {part.target}")
        server.ledger.log(f"part {part.method} {part.target} -> {answer.status}{f' {hit.kind}' if hit else ''}")
        return answer

    def send_answer(self, method: str, answer: Answer, max_bytes: int | None = None) -> None:
        """Sends an answer, `max_bytes` of its body at most though it announces all."""
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(answer.num_bytes))
        self.end_headers()
        left = 0 if method == "HEAD" else answer.num_bytes if max_bytes is None else max_bytes
        view = memoryview(answer.body)
        while left > 0:
            size = min(left, CHUNK_BYTES)
            piece = view[:size] if answer.stream is None else answer.stream.read(size)
            if not piece:
                raise RuntimeError("the emulator cut its answer short")
            view = view[size:]
            # First counted, then sent: a client that has the bytes finds them in the counts.
            self.pace("bytes_sent", len(piece))
            self.wfile.write(piece)
            left -= len(piece)
        self.wfile.flush()

    def cut(self) -> None:
        """Ends the connection here and now."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def pace_received(self, num_bytes: int) -> None:
        """Takes the time that bytes from the client need."""
        self.pace("bytes_received", num_bytes)

    def pace(self, direction: str, num_bytes: int) -> None:
        """Takes the time that bytes need on this connection's line and on the common one, and counts them."""
        server, settings = self.server, self.server.settings
        server.ledger.add(direction, num_bytes)
        now = time.monotonic()
        seconds = max(
            self.lines[direction].reserve(num_bytes, settings.bandwidth_mb, now),
            server.lines[direction].reserve(num_bytes, settings.total_bandwidth_mb, now),
        )
        server.ledger.sleep("pacing_seconds", seconds)
