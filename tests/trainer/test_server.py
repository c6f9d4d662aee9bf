"""An exported model behind HTTP: a real server, asked as Vertex AI asks."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError, run_main
from tests.trainer.conftest import CLASS_NAMES
from trainer import server
from trainer.predict import Serve
from trainer.server import BadRequestError, read_instances

PREDICT, HEALTH = "/v1/models/petalstream:predict", "/v1/models/petalstream"


@pytest.fixture(scope="module")
def address(run_dir: Path) -> Iterator[tuple[str, int]]:
    """A server of the model, started as in a container."""
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "AIP_STORAGE_URI": str(run_dir), "AIP_HTTP_PORT": str(port)}
    command = [sys.executable, "-m", "trainer.server", "--host", "127.0.0.1"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"serving {run_dir} at http://127.0.0.1:{port}{PREDICT}")
            while True:
                try:
                    ask(("127.0.0.1", port), "GET", HEALTH)
                    break
                except ConnectionError:
                    time.sleep(0.05)
            yield "127.0.0.1", port
        finally:
            process.terminate()
            process.wait(30)


def ask(address: tuple[str, int], method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*address, timeout=120)
    connection.request(method, path, body)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if content[:1] in (b"{", b"[") else content


def instance(data: bytes) -> dict[str, Any]:
    return {"image_bytes": {"b64": base64.b64encode(data).decode()}}


def test_the_answers_are_those_of_the_loaded_model(
    address: tuple[str, int], serve: Serve, photo_files: dict[str, list[Path]]
) -> None:
    images = [path.read_bytes() for path in photo_files["test"]]
    body = json.dumps({"instances": [{**instance(image), "key": "k"} for image in images]}).encode()
    # Several at once, as a health check would be among them.
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: ask(address, "POST", PREDICT, body), range(4)))
    assert {status for status, _ in replies} == {200}
    for _, content in replies:
        for said, expected in zip(content["predictions"], serve.ask(images), strict=True):
            assert said["class_str"] == expected["class_str"].decode()
            assert said["class_int"] == expected["class_int"]
            assert said["probability"] == pytest.approx(float(expected["probability"]), abs=1e-6)
            assert len(said["probabilities"]) == len(CLASS_NAMES)


def test_it_says_that_it_is_ready(address: tuple[str, int]) -> None:
    status, content = ask(address, "GET", HEALTH)
    assert (status, content["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    assert ask(address, "GET", "/elsewhere")[0] == 404
    assert ask(address, "GET", PREDICT)[0] == 405


def test_a_bad_photograph_is_named(address: tuple[str, int], photo_files: dict[str, list[Path]]) -> None:
    good = instance(photo_files["test"][0].read_bytes())
    status, content = ask(address, "POST", PREDICT, json.dumps({"instances": [good, instance(b"no image")]}).encode())
    assert status == 400
    assert content["error"].startswith("instance 1: not_an_image: ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("nonsense", 'the body is not {"instances":'),
        ("[1]", 'the body is not {"instances":'),
        ('{"inputs": []}', 'the body is not {"instances":'),
        ('{"instances": {}}', "a list was expected, not dict"),
        ('{"instances": ["x"]}', "instance 0: no .*base64 in it"),
        ('{"instances": [{"b64": "eA=="}, {"image_bytes": "eA=="}]}', "instance 1: no .*base64 in it"),
        ('{"instances": [{"image_bytes": {"b64": "no base64!"}}]}', "instance 0: no .*base64 in it"),
    ],
)
def test_what_is_no_request_is_refused(body: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        read_instances(body.encode())


def test_both_forms_of_an_instance_are_read() -> None:
    assert read_instances(b'{"instances": [{"b64": "eA=="}, {"image_bytes": {"b64": "eQ=="}}]}') == [b"x", b"y"]


def test_what_is_too_large_is_refused(address: tuple[str, int]) -> None:
    assert ask(address, "POST", PREDICT, b" " * (server.MAX_BODY_BYTES + 1))[0] == 400


def test_a_model_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("AIP_STORAGE_URI", raising=False)
    with pytest.raises(ConfigError, match=r"--model_dir: got None, expected an exported model; \$AIP_STORAGE_URI may"):
        server.main([])
    assert run_main(server.main, ["--model_dir", "/nowhere"]) == 2
    assert "expected a SavedModel" in capsys.readouterr().err
