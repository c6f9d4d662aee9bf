"""A service on loopback that speaks Dataflow's REST API, v1b3, as far as Beam asks it.

It takes a job, strictly parsed, runs it or fails it to order, and tells its states and messages.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.cloud import dataflow

from etl import storage

WORKER = Path(__file__).with_name("worker.py")
JOB_ID = "2026-11-21_07_00_00-1234567890"
_JOBS = re.compile(r"/v1b3/projects/([^/]+)/locations/([^/]+)/jobs(?:/([^/]+))?(/messages)?")


@dataclass
class Service:
    """What is ordered of the service, and what it got.

    Attributes:
        folder: Where it unpacks what was staged.
        states: To tell, one each time it is asked; the last one goes on. None: runs the job, and tells how it is.
        messages: To tell, as (importance, text).
        refusal: HTTP status and message with which it takes no job.
        job: The last job it got.
        asked: Method and path of every request, in order.
        output: Of the workers that ran the job.
        on_wait: Called once, when somebody asks for messages: waits, that is.
    """

    folder: Path
    states: list[str] | None = None
    messages: list[tuple[str, str]] = field(default_factory=list)
    refusal: tuple[int, str] | None = None
    job: Any = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    output: str = ""
    on_wait: Callable[[], None] | None = None
    endpoint: str = ""

    def create(self, project: str, region: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.refusal:
            code, message = self.refusal
            return code, {"error": {"code": code, "message": message}}
        # An unknown field is an error.
        self.job = dataflow.Job.from_json(body, ignore_unknown_fields=False)
        if self.states is None:
            self._run()
        request = self.job.client_request_id
        return 200, {"id": JOB_ID, "projectId": project, "location": region, "clientRequestId": request}

    def state(self) -> str:
        states = self.states or ["JOB_STATE_DONE"]
        return states.pop(0) if len(states) > 1 else states[0]

    def _run(self) -> None:
        """Fetches what was staged, and nothing else, and runs it."""
        options = dict(self.job.environment.sdk_pipeline_options)["options"]
        graph = self.folder / "pipeline.pb"
        graph.write_bytes(storage.read_bytes(options["pipelineUrl"]))
        for package in self.job.environment.worker_pools[0].packages:
            path = self.folder / package.name
            path.write_bytes(storage.read_bytes(f"gs://{package.location.removeprefix('storage.googleapis.com/')}"))
        with tarfile.open(self.folder / "workflow.tar.gz") as archive:
            archive.extractall(self.folder, filter="data")
        unpacked = next(self.folder.glob("petalstream-*/"))
        command = [sys.executable, str(WORKER), str(graph), str(unpacked)]
        environment = {**os.environ, "PYTHONPATH": str(unpacked)}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        end = "JOB_STATE_FAILED" if done.returncode else "JOB_STATE_DONE"
        self.states = ["JOB_STATE_RUNNING", "JOB_STATE_RUNNING", end]
        if done.returncode:
            self.messages.append(("JOB_MESSAGE_ERROR", done.stderr))


@contextmanager
def serve(folder: Path) -> Iterator[Service]:
    """Runs the service."""
    service = Service(folder)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urlsplit(self.path).path
            service.asked.append((self.command, path))
            found = _JOBS.fullmatch(path)
            if found is None:
                code, content = 404, {"error": {"code": 404, "message": f"no such path: {path}"}}
            elif self.command == "POST":
                code, content = service.create(found[1], found[2], body)
            elif found[4]:
                called, service.on_wait = service.on_wait, None
                if called:
                    called()
                code, content = 200, {"jobMessages": _messages(service)}
            else:
                code, content = 200, {"id": JOB_ID, "currentState": service.state()}
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 the base class's names

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Beam takes the REST transport for this host.
    service.endpoint = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _messages(service: Service) -> list[dict[str, str]]:
    time = "2026-11-21T07:00:01Z"
    return [
        {"id": str(number), "time": time, "messageImportance": importance, "messageText": text}
        for number, (importance, text) in enumerate(service.messages)
    ]
