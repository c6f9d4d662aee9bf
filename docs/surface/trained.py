"""One epoch of training on a small data set: what it leaves, and what its model answers."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from docs.surface import inputs
from docs.surface.calls import call_loaded, environment, steady, succeed

# Of processors, not of the code.
NUM_DIGITS = 5
_NUMBER = re.compile(r"-?\b\d+\.\d{6,}(e-?\d+)?\b")
_MEASURED = re.compile(r'("(?:seconds|images_per_second|input_wait_share)": \[)[^\]]*\]')
_SIGNATURES = """
import sys, tensorflow as tf
loaded = tf.saved_model.load("run/model")
for name, made in sorted(loaded.signatures.items()):
    print(name, {k: str(v) for k, v in made.structured_input_signature[1].items()})
    print(name, sorted((k, str(v)) for k, v in made.structured_outputs.items()))
import keras, trainer.layers
model = keras.saving.load_model("run/model.keras")
model.summary(print_fn=print)
import numpy as np
for name, value in np.load("run/training_state.npz").items():
    # The facts are JSON, with what was measured of the machine in it.
    print(name, value.dtype, value.shape if name != "facts" else "")
"""


def record(work: Path) -> Mapping[str, str]:
    """Returns what the run leaves as text, and what predictions say, of the command, of a batch and of the server."""
    for line in (inputs.PHOTOS, inputs.DATA):
        succeed(line, work)
    trained = succeed(inputs.RUN, work)
    files = {"printed.txt": trained.text(work)}
    run = work / "run"
    for name in ("history.json", "evaluation.json", "config.yaml", "test_predictions.jsonl"):
        files[name] = _rounded(_MEASURED.sub(r"\1MEASURED]", steady((run / name).read_text(encoding="utf-8"), work)))
    files["petalstream.json"] = _rounded((run / "model" / "assets.extra" / "petalstream.json").read_text())
    files["files.txt"] = "".join(f"{path.relative_to(run)}\n" for path in sorted(run.rglob("*")) if path.is_file())
    shown = subprocess.run(
        [sys.executable, "-c", _SIGNATURES], cwd=work, env=environment(work), capture_output=True, text=True, check=True
    )
    files["model.txt"] = steady(shown.stdout, work)
    files |= _predictions(work)
    files["server.txt"] = _served(work)
    return files


def _predictions(work: Path) -> Mapping[str, str]:
    """Asks `trainer.predict` and `trainer.batch_predict`."""
    one, two = sorted((work / "photos").glob("*/*.jpg"))[:2]
    lines = (
        f"trainer.predict run {one} {two} --format json",
        f"trainer.predict run {one} {two} --format json --top_k 3",
        f"trainer.predict run/model {one} {two}",
        f"trainer.batch_predict --make_instances {one} {two} --output instances.jsonl",
        "trainer.batch_predict --model_dir run --input instances.jsonl --output predictions.jsonl",
    )
    printed = "\n".join(each.text(work) for line in lines for each in call_loaded([line], work))
    written = (work / "predictions.jsonl").read_text(encoding="utf-8")
    return {"predictions.txt": _rounded(printed), "batch_predictions.jsonl": _rounded(steady(written, work))}


def _served(work: Path) -> str:
    """Starts `trainer.server`, asks it, and stops it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "trainer.server", "--model_dir", "run", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=work, env=environment(work), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        said = ""
        while " at http" not in said and server.poll() is None:
            said += server.stdout.readline()
        answers = [_ask(f"http://127.0.0.1:{port}{path}", body) for path, body in _questions(work)]
        server.send_signal(signal.SIGTERM)
        said += server.stdout.read()
        code = server.wait()
    text = "\n".join([*answers, f"exit code {code} after SIGTERM", steady(said, work)])
    return _rounded(text.replace(str(port), "PORT"))


def _questions(work: Path) -> list[tuple[str, object]]:
    """Returns paths, and what is posted there; None asks for what is there."""
    images = [base64.b64encode(path.read_bytes()).decode() for path in sorted((work / "photos").glob("*/*.jpg"))[:2]]
    predict = "/v1/models/petalstream:predict"
    instances = [{"b64": image} for image in images]
    pixels = [[[0] * 3] * 16] * 16
    return [
        ("/", None),
        ("/v1/models/petalstream", None),
        ("/v1/models/petalstream/metadata", None),
        (predict, {"instances": instances}),
        (predict, {"instances": [{"image_bytes": each} for each in instances], "signature_name": "from_bytes"}),
        (predict, {"instances": [pixels], "signature_name": "from_pixels"}),
        (predict, {"instances": [{"b64": images[0][:2_000]}]}),
        (predict, {"instances": []}),
        (predict, {"instances": instances, "signature_name": "none"}),
        (predict, "no object"),
    ]


def _ask(url: str, body: object) -> str:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    return f"{urllib.parse.urlsplit(url).path} {status}\n{json.dumps(json.loads(text), indent=1)}\n"


def _rounded(text: str) -> str:
    """Rounds long fractions."""
    return _NUMBER.sub(lambda found: f"{float(found[0]):.{NUM_DIGITS}g}", text)
