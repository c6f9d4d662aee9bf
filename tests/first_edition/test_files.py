"""What the first edition left on disk is read, gone on with and served by this code.

Not part of `make test-compat`: unfinished work is gone on with by the releases that began it, and files are read in the
main environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import etl
from etl import inspect, run
from etl.errors import run_main
from tests.first_edition import calls
from trainer import predict

CHECKOUT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "files"
EXPECTED: Mapping[str, Any] = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-6
PATIENCE_SECONDS = 300.0

# With plain TensorFlow, and nothing of ours.
PLAIN = """
import json, sys
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answer = serve(image_bytes=tf.constant([open(sys.argv[2], "rb").read()]))
assert not {"etl", "trainer"} & set(sys.modules)
print(json.dumps({name: value.numpy().tolist() for name, value in answer.items() if name != "class_str"}))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the files, which name this folder where they named their own."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*"):
        if path.suffix in calls.TEXTS:
            path.write_text(path.read_text(encoding="utf-8").replace("ROOT", str(tmp_path)), encoding="utf-8")
    with tarfile.open(tmp_path / "run" / "model.tar.xz") as packed:
        packed.extractall(tmp_path / "run", filter="data")
    return tmp_path


def start(root: Path, *arguments: str) -> str:
    """Runs a command in a process of its own, in which the last bits are the same each time; returns what it said."""
    words = [argument.replace("ROOT", str(root)) for argument in arguments]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def check_near(found: Any, expected: Any) -> None:
    """Checks that two tables of JSON are the same, up to the last digits of their numbers."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            check_near(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check_near(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=TOLERANCE)
    else:
        assert found == expected


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def first_job_digest(config: Mapping[str, Any], class_names: Sequence[str], plans: Sequence[bytes]) -> str:
    """Returns the digest in `job.txt` as the first edition made it: a copy of its formula, which stays as it is.

    It is of the folder of the images and of the software's versions too, so no recorded one holds here. Where this code
    has another formula, other facts in it, or other plans, the run below is none of its own, and the test fails.
    """
    packages = ("tensorflow", "pillow", "simplejpeg", "numpy", "apache-beam")
    software = {"petalstream": etl.__version__, "python": platform.python_version(), "machine": platform.machine()}
    software |= {name: metadata.version(name) for name in packages}
    sha256 = hashlib.sha256(json.dumps([config, software, class_names, ""], sort_keys=True).encode())
    for plan in plans:
        sha256.update(hashlib.sha256(plan).digest())
    return sha256.hexdigest()


def write_job_digest(root: Path) -> None:
    """Replaces the digest of an unfinished run by the one of this folder and these versions."""
    (folder,) = (root / "job").glob(".building-*")
    job = read(root / "job.json")
    plans = [
        path.read_bytes()
        for variant in ("jpeg", "pixel")
        for split in ("train", "validation", "test")
        for path in sorted((folder / "plan" / variant).glob(f"{split}-*.jsonl"))
    ]
    digest = first_job_digest(job["config"], job["class_names"], plans)
    (folder / "job.txt").write_text(digest, encoding="utf-8")


def test_a_data_set_is_what_its_manifest_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(inspect.main, [str(root / "data")]) == 0
    assert "ok: 24 records parsed and decoded" in capsys.readouterr().out


def test_a_data_set_gives_the_same_batches(root: Path) -> None:
    assert calls.digests_of_batches(str(root / "data")) == EXPECTED["batches"]


def write_dataset(root: Path, name: str, *more: str) -> dict[str, Path]:
    """Runs the job into a folder of that name; returns its shards."""
    arguments = [*calls.JOB[1:], "--output", f"ROOT/{name}", *more]
    assert run_main(run.main, [argument.replace("ROOT", str(root)) for argument in arguments]) == 0
    return {str(path.relative_to(root / name)): path for path in (root / name).glob("*/*.tfrecord")}


def digests(shards: Mapping[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in shards.items()}


def test_an_unfinished_run_of_the_etl_is_gone_on_with(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_job_digest(root)
    done = list((root / "job").glob(".building-*/*/*.result.json"))
    first = read(root / "job.json")["shards"]
    kept = {path.with_name(path.name.replace(".result.json", ".tfrecord")).stat().st_ino for path in done}
    shards = write_dataset(root, "job", "--resume")
    assert f"an unfinished run left {len(done)} of {len(first)} units: kept" in capsys.readouterr().err
    assert kept <= {path.stat().st_ino for path in shards.values()}
    assert digests(shards) == digests(write_dataset(root, "undisturbed"))
    # What is resized has other bytes on other processors; files that are kept as they are have not.
    copied = {name: digest for name, digest in digests(shards).items() if name.startswith("jpeg/")}
    assert copied == {name: digest for name, digest in first.items() if name.startswith("jpeg/")}
    assert shards.keys() == first.keys()


def test_an_unfinished_training_is_gone_on_with(root: Path) -> None:
    before = read(root / "unfinished" / "backup" / "latest.json")["facts"]
    assert before["step"] % calls.NUM_STEPS > 0
    start(root, *calls.TASK, *calls.LONGER, "--output_dir", "ROOT/unfinished", "--resume")
    found, expected = read(root / "unfinished" / "history.json"), read(root / "unfinished.history.json")
    for name in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lrate"):
        check_near(found[name], expected[name])
    # What was measured before it was killed is still there: those epochs weren't trained again.
    trained = len(before["history"]["epoch"])
    assert found["seconds"][:trained] == before["history"]["seconds"]
    check_near(read(root / "unfinished" / "evaluation.json"), read(root / "unfinished.evaluation.json"))


def test_an_unfinished_study_is_gone_on_with(root: Path) -> None:
    optuna = pytest.importorskip("optuna")
    path = root / "study" / "trials.json"
    study = read(path)
    before = study["trials"]
    assert len(before) == 2
    # The versions that began it; with others it is refused, as it should be.
    study["study"]["software"] = {"petalstream": etl.__version__, "optuna": optuna.__version__}
    path.write_text(json.dumps(study), encoding="utf-8")
    # One more of the four is enough.
    start(root, *calls.tune("ROOT", "study", "--max_trials", "3"))
    trials = read(path)["trials"]
    assert trials[:2] == before
    expected = read(root / "study.trials.json")["trials"][:3]
    for trial in (*trials, *expected):
        del trial["seconds"]
    check_near(trials, expected)


@pytest.mark.parametrize("place", ["run", "run/model"])
def test_a_saved_model_predicts_the_same(root: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(root / place), str(root / calls.PHOTO), "--format", "json"]
    assert run_main(predict.main, arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("file") == str(root / calls.PHOTO)
    check_near(found, EXPECTED["predictions"])


def test_a_saved_model_needs_nothing_of_ours(root: Path) -> None:
    command = [sys.executable, "-I", "-c", PLAIN, str(root / "run" / "model"), str(root / calls.PHOTO)]
    answer = json.loads(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)
    for name in ("class_int", "probability", "probabilities"):
        check_near(answer[name], [EXPECTED["predictions"][name]])


def test_a_keras_model_predicts_the_same(root: Path) -> None:
    check_near(calls.keras_predictions(str(root / "run" / "model.keras")), EXPECTED["keras"])
