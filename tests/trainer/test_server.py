"""An exported model behind HTTP: a real server, asked as Vertex AI asks."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.errors import ConfigError, run_main
from etl.format import manifest
from tests.trainer.conftest import CLASS_NAMES, SIZE
from trainer import server
from trainer.serving import app
from trainer.serving.instances import read_request
from trainer.serving.served_model import ServedModel, load_signatures

PREDICT, HEALTH = "/v1/models/petalstream:predict", "/v1/models/petalstream"


@contextmanager
def serving(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[tuple[tuple[str, int], Path]]:
    """A server, started as in a container; yields where it answers, and what it logs."""
    pytest.importorskip("uvicorn")
    port = free_port()
    command = [sys.executable, "-m", "trainer.server", *arguments]
    told = {**os.environ, "AIP_HTTP_PORT": str(port), **(environ or {})}
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving "), Path(log.name).read_text()
            assert line.endswith(f" at http://127.0.0.1:{port}{PREDICT}\n")
            yield ("127.0.0.1", port), Path(log.name)
        finally:
            process.terminate()
            # It is meant to be stopped, so that is no failure.
            assert process.wait(60) == 0, Path(log.name).read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server_log(run_dir: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    """A server of the model, and its log."""
    with serving(environ={"AIP_STORAGE_URI": str(run_dir)}) as found:
        yield found


@pytest.fixture
def address(server_log: tuple[tuple[str, int], Path]) -> Iterator[tuple[str, int]]:
    """That server's address; whatever it is asked, it logs no trace."""
    yield server_log[0]
    assert "Traceback" not in server_log[1].read_text()


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
    address: tuple[str, int], served_model: ServedModel, photo_files: dict[str, list[Path]]
) -> None:
    images = [path.read_bytes() for path in photo_files["test"]]
    body = json.dumps({"instances": [{**instance(image), "key": "k"} for image in images]}).encode()
    # Several at once, as a health check would be among them.
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: ask(address, "POST", PREDICT, body), range(4)))
    assert {status for status, _ in replies} == {200}
    for _, content in replies:
        for said, expected in zip(content["predictions"], served_model.predict(images), strict=True):
            assert said["class_str"] == expected["class_str"].decode()
            assert said["class_int"] == expected["class_int"]
            assert said["probability"] == pytest.approx(float(expected["probability"]), abs=1e-6)
            assert len(said["probabilities"]) == len(CLASS_NAMES)


def test_it_says_that_it_is_ready(address: tuple[str, int]) -> None:
    status, content = ask(address, "GET", HEALTH)
    assert (status, content["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    assert ask(address, "GET", "/elsewhere")[0] == 404
    assert ask(address, "POST", "/")[0] == 405
    assert ask(address, "GET", PREDICT)[0] == 405


def test_a_bad_photograph_is_named(address: tuple[str, int], photo_files: dict[str, list[Path]]) -> None:
    good = instance(photo_files["test"][0].read_bytes())
    status, content = ask(address, "POST", PREDICT, json.dumps({"instances": [good, instance(b"no image")]}).encode())
    assert status == 400
    assert content["error"].startswith("instance 1: not_an_image: ")


def test_files_that_the_graph_refuses_are_answered(
    address: tuple[str, int], served_model: ServedModel, other_files: dict[str, Path]
) -> None:
    expected = served_model.predict([path.read_bytes() for path in other_files.values()])
    given = [instance(path.read_bytes()) for path in other_files.values()]
    for instances in (given, [{"filenames": str(path)} for path in other_files.values()]):
        status, content = ask(address, "POST", PREDICT, json.dumps({"instances": instances}).encode())
        assert status == 200, content
        for said, answer in zip(content["predictions"], expected, strict=True):
            assert said["probabilities"] == pytest.approx(answer["probabilities"].tolist(), abs=1e-6)
    cut = instance(other_files["AVIF"].read_bytes()[:500])
    status, content = ask(address, "POST", PREDICT, json.dumps({"instances": [*given, cut]}).encode())
    assert status == 400
    assert content["error"] == f"instance {len(given)}: truncated: the AVIF ends before its last pixel"


def test_what_is_too_large_is_refused(address: tuple[str, int]) -> None:
    assert ask(address, "POST", PREDICT, b" " * (app.MAX_BODY_BYTES + 1))[0] == 400


def test_a_model_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("AIP_STORAGE_URI", raising=False)
    with pytest.raises(ConfigError, match=r"--model_dir: got None, expected an exported model; \$AIP_STORAGE_URI may"):
        server.main([])
    assert run_main(server.main, ["--model_dir", "/nowhere"]) == 2
    assert "expected a SavedModel" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"instances": ' * 50_000,
        b'{"instances": [' + b"9" * 5_000 + b"]}",
        b'{"instances": [1e999]}',
        b'{"instances": [{"b64": "\\ud800"}]}',
        b'{"instances": [{"b64": "eA=="}], "instances": []}',
        b'{"instances": []}',
        b'{"instances": null}',
        b"\xff\xfe{\x00",
        b"\x00",
        b"",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_bad_body_is_status_400_with_a_reason(address: tuple[str, int], body: bytes) -> None:
    status, content = ask(address, "POST", PREDICT, body)
    assert (status, list(content)) == (400, ["error"])
    assert content["error"]
    assert "\n" not in content["error"]


def test_who_hangs_up_disturbs_nobody(address: tuple[str, int], photo_files: dict[str, list[Path]]) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{{".encode()
    waiting = socket.create_connection(address)
    waiting.sendall(head)
    for sent in (b"", b"POST", head[:-1], head, b"\x16\x03\x01 no HTTP\r\n\r\n"):
        with socket.create_connection(address) as connection:
            connection.sendall(sent)
    half = socket.create_connection(address)
    half.sendall(head)
    # It says that there is no more, and waits for an answer.
    half.shutdown(socket.SHUT_WR)
    half.settimeout(60)
    assert half.recv(1_000)[:12] in (b"", b"HTTP/1.1 400")
    half.close()
    body = json.dumps({"instances": [instance(photo_files["test"][0].read_bytes())]}).encode()
    assert ask(address, "POST", PREDICT, body)[0] == 200
    waiting.close()


def test_a_body_that_does_not_arrive_is_not_waited_for(served_model: ServedModel) -> None:
    pytest.importorskip("starlette")
    made = app.make_app({"serving_default": served_model}, PREDICT, HEALTH, body_seconds=0.05)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3_600)
        raise TimeoutError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PREDICT, "headers": [], "query_string": b""}
    asyncio.run(made(scope, receive, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"]) == {"error": "the body did not arrive within 0.05 s"}


def test_a_signature_may_be_named(
    address: tuple[str, int], served_model: ServedModel, photo_files: dict[str, list[Path]]
) -> None:
    path = photo_files["test"][0]
    expected = served_model.predict([path.read_bytes()])[0]
    assert not isinstance(expected, str)
    pixels = np.zeros((*SIZE, 3), np.uint8).tolist()
    for name, one in (
        ("from_filenames", {"filenames": str(path)}),
        ("from_filenames", str(path)),
        (None, {"filenames": str(path)}),
        ("from_bytes", instance(path.read_bytes())),
        ("serving_default", instance(path.read_bytes())),
        ("from_pixels", {"pixels": pixels}),
        ("from_pixels", pixels),
        (None, {"pixels": pixels}),
    ):
        body = {"instances": [one], **({"signature_name": name} if name else {})}
        status, content = ask(address, "POST", PREDICT, json.dumps(body).encode())
        assert status == 200, content
        if "pixels" not in str(one) and name != "from_pixels":
            assert content["predictions"][0]["probability"] == pytest.approx(float(expected["probability"]), abs=1e-6)
    for name in ("nonsense", 7, "\ud800", ["from_bytes"]):
        body = {"instances": [pixels], "signature_name": name}
        status, content = ask(address, "POST", PREDICT, json.dumps(body).encode())
        assert status == 400
        names = "from_bytes, from_filenames, from_pixels, serving_default"
        assert content["error"].endswith(f"expected one of {names}")
    status, content = ask(address, "POST", PREDICT, b'{"instances": [{"filenames": "/nowhere.jpg"}]}')
    assert status == 400
    assert content["error"].startswith("instance 0: ")
    assert "/nowhere.jpg" in content["error"]


def test_it_says_what_can_be_asked(address: tuple[str, int]) -> None:
    status, content = ask(address, "GET", "/")
    assert status == 200
    assert content["predict"] == f"POST {PREDICT}"
    assert content["signatures"]["from_pixels"]["takes"] == "pixels"
    assert content["example"]["instances"][0].keys() == {"image_bytes"}
    connection = http.client.HTTPConnection(*address, timeout=120)
    connection.request("GET", "/", headers={"Accept": "text/html,*/*"})
    shown = connection.getresponse().read().decode()
    connection.close()
    assert shown.startswith("<!DOCTYPE html>")
    assert PREDICT in shown


def test_its_metadata_are_tensorflow_servings(address: tuple[str, int]) -> None:
    status, content = ask(address, "GET", f"{HEALTH}/metadata")
    assert status == 200
    definitions = content["metadata"]["signature_def"]["signature_def"]
    taken = definitions["serving_default"]["inputs"]["image_bytes"]
    assert (taken["dtype"], taken["tensor_shape"]["dim"]) == ("DT_STRING", [{"size": "-1", "name": ""}])
    sizes = [dim["size"] for dim in definitions["from_pixels"]["inputs"]["pixels"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", *map(str, SIZE), "3"]
    assert definitions["from_pixels"]["inputs"]["pixels"]["dtype"] == "DT_UINT8"
    assert definitions["serving_default"]["outputs"]["probabilities"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize("serving_input", ["filenames", "pixels"])
def test_a_model_of_other_inputs_answers_too(
    data_dir: Path, tmp_path: Path, photo_files: dict[str, list[Path]], serving_input: str
) -> None:
    export(data_dir, tmp_path / "model", serving_input=serving_input)
    signatures = load_signatures(str(tmp_path))
    app.warm_up(signatures)
    path = photo_files["test"][0]
    bare: Any = str(path) if serving_input == "filenames" else np.zeros((*SIZE, 3), np.uint8).tolist()
    for one in (bare, {serving_input: bare}, instance(path.read_bytes()), {"b64": instance(b"")["image_bytes"]["b64"]}):
        chosen, items = read_request(json.dumps({"instances": [one]}).encode(), signatures)
        is_own = one is bare or (isinstance(one, dict) and serving_input in one)
        assert chosen.takes == (serving_input if is_own else "image_bytes")
        if one != {"b64": ""}:
            assert app.answer(chosen, items)[0]["class_str"] in CLASS_NAMES


def test_a_model_without_numbers_is_a_refusal_and_no_trace(data_dir: Path, tmp_path: Path) -> None:
    export(data_dir, tmp_path / "model", weight=float("nan"))
    signatures = load_signatures(str(tmp_path))
    with pytest.raises(app.NoAnswerError, match="instance 0: the model's probabilities are no numbers"):
        app.answer(signatures["from_pixels"], [np.zeros((*SIZE, 3), np.uint8)])


def export(data_dir: Path, folder: Path, *, serving_input: str = "image_bytes", weight: float = 0.0) -> None:
    """Exports a model of one layer."""
    import keras

    from trainer.config import TrainConfig
    from trainer.data import resolve
    from trainer.serving.export import export_model

    data = resolve(TrainConfig(data_dir=str(data_dir), output_dir="", variant="pixel"), manifest.load(data_dir))
    images = keras.Input((*data.image_size, 3))
    dense = keras.layers.Dense(3, "softmax", kernel_initializer=keras.initializers.Constant(weight))
    model = keras.Model(images, dense(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))))
    export_model(model, data, folder, {}, serving_input=serving_input)


def test_a_port_in_use_is_one_line_before_the_model_is_loaded(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert run_main(server.main, ["--model_dir", str(run_dir), "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"error: --port: got {port}, expected a port that is free; "
        "another process listens there: choose another --port, or end it\n"
    )


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "a" * 300, ""])
def test_a_host_that_is_not_this_machine_is_one_line(
    run_dir: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    pytest.importorskip("uvicorn")
    assert run_main(server.main, ["--model_dir", str(run_dir), "--host", host]) == 2
    assert capsys.readouterr().err.startswith(f"error: --host: got {host!r}, expected a name or an address of this")


def test_a_port_that_this_user_may_not_take_is_one_line(run_dir: Path) -> None:
    pytest.importorskip("uvicorn")
    if sys.platform != "linux" or int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("every user may take every port here")
    command = [sys.executable, "-c", MAY_NOT, str(run_dir)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode == 77:
        pytest.skip("the right to take any port can't be given up here")
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: --port: got 80, expected a port that is free; this user may not take it")
    assert len(result.stderr.splitlines()) == 1


# Capabilities go with the user's number.
MAY_NOT = """
import encodings.idna, os, sys
from etl.errors import run_main
from trainer.serving import listening
# All that is needed is loaded: the user may not read the interpreter's folder.
if os.getuid() == 0:
    try:
        os.setuid(65534)
    except OSError:
        sys.exit(77)
sys.exit(run_main(lambda _: listening.bind("127.0.0.1", 80).__enter__() and 0))
"""
