"""`trainer.vertex batch-predict`: images to JSON lines in a bucket, a job, and its results as a table."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from tests.damage import damaged_json, fuzzed
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.server import VertexServer
from tests.fakes.vertex.serving import CLASS_NAMES, classify
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel
from tests.trainer.vertex.deployment.test_command import writes
from trainer.vertex.api import waiting
from trainer.vertex.prediction.results import read_results


@pytest.fixture
def batch(
    vertex: VertexServer,
    command: Run,
    deploy: Run,
    put_model: PutModel,
    gcs: Gcs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs `batch-predict` with a registered model; jobs answer the lines that they are given, but for bad ones."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    assert deploy(put_model(1)) == 0
    vertex.calls.clear()
    capsys.readouterr()

    def answer(job: dict[str, Any]) -> None:
        (source,) = job["inputConfig"]["gcsSource"]["uris"]
        folder = job["outputInfo"]["gcsOutputDirectory"].removeprefix(gcs.path())
        good, bad = [], []
        for line in gcs.read(source.removeprefix(gcs.path())).splitlines():
            instance = json.loads(line)
            image = base64.b64decode(instance["image_bytes"]["b64"])
            if image.startswith(b"\xff\xd8"):
                good.append({"key": instance["key"], "prediction": classify(image)})
            else:
                bad.append({"key": instance["key"], "error": "no image"})
        for name, lines in (
            ("prediction.results-00000-of-00001", good),
            ("prediction.errors_stats-00000-of-00001", bad),
        ):
            gcs.write(f"{folder}/{name}", "".join(f"{json.dumps(line)}\n" for line in lines).encode())

    vertex.state["batch"] = answer
    return lambda *argv: command("batch-predict", "--output", gcs.path("batch"), *argv)


def test_photographs_in_and_a_table_out(
    vertex: VertexServer, batch: Run, photos: list[Path], gcs: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(*photos) == 0
    out, err = capsys.readouterr()
    assert all(name in out for name in CLASS_NAMES)
    assert "results: gs://petals/batch/prediction-petalstream-batch-" in err
    (job,) = vertex.bodies("POST batchPredictionJobs")
    assert job["model"].endswith("@1")
    assert job["instanceConfig"] == {"instanceType": "object", "keyField": "key"}
    (source,) = job["inputConfig"]["gcsSource"]["uris"]
    lines = [json.loads(line) for line in gcs.read(source.removeprefix(gcs.path())).splitlines()]
    assert [line["key"] for line in lines] == list(map(str, photos))
    vertex.calls.clear()
    assert batch(*photos, "--format", "json") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["class_str"] for line in out.splitlines()] == list(CLASS_NAMES)
    assert "asked already, succeeded" in err
    assert writes(vertex) == []


def test_lines_that_are_there_already(
    vertex: VertexServer, batch: Run, photos: list[Path], gcs: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = {"key": "a", "image_bytes": {"b64": base64.b64encode(photos[2].read_bytes()).decode()}}
    gcs.write("lines.jsonl", json.dumps(instance).encode() + b"\n")
    assert batch("--input", gcs.path("lines.jsonl"), "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["file"] == "a"


def test_an_instance_without_an_answer_is_told(
    batch: Run, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    assert batch(photos[0], bad) == 1
    assert "error: some instances got no answer: gs://petals/batch/" in capsys.readouterr().err


def test_a_job_that_fails_is_one_line_and_asked_anew(
    vertex: VertexServer, batch: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("RUNNING", "FAILED")
    assert batch(*photos) == 1
    assert "The model server died" in capsys.readouterr().err
    script(vertex).states = ("SUCCEEDED",)
    assert batch(*photos) == 0
    assert writes(vertex) == ["POST batchPredictionJobs"] * 2


def test_without_waiting(
    vertex: VertexServer, batch: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(*photos, "--no_wait") == 0
    assert "/batchPredictionJobs/" in capsys.readouterr().out
    assert batch(*photos) == 0
    assert writes(vertex) == ["POST batchPredictionJobs"]


def test_the_request_is_printed(
    vertex: VertexServer, batch: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*photos, "--accelerator_type", "NVIDIA_TESLA_T4", "--service_account", "a@b.iam.gserviceaccount.com")
    assert batch(*flags, "--dry_run") == 0
    assert vertex.calls == []
    printed = yaml.safe_load(capsys.readouterr().out)["batchPredictionJob"]
    assert batch(*flags) == 0
    (sent,) = vertex.bodies("POST batchPredictionJobs")
    # The model's number is in the request, and so in the name that is made of it.
    for job in (printed, sent):
        job.pop("model")
        job.pop("displayName")
    assert printed == sent


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "FILE: got None, expected photographs, or --input"),
        (("a.jpg", "--input", "gs://b/c"), "and not both"),
        (("--input", "c.jsonl"), "--input: got 'c.jsonl', expected a path on Cloud Storage"),
        (("missing.jpg",), "FILE: got 'missing.jpg', expected files that can be read"),
        (("--input", "gs://b/c", "--model_name", "other"), "--model_name: got 'other', expected a model of"),
        (("--input", "gs://b/c", "--version", "9"), "is not found"),
        (("--input", "gs://b/c", "--min_replicas", "2", "--max_replicas", "1"), "--max_replicas: got 1"),
    ],
)
def test_mistakes(
    vertex: VertexServer, batch: Run, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(*flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert writes(vertex) == []


@fuzzed
@given(damaged_json({"key": "a.jpg", "prediction": {"class_str": "daisy", "class_int": 1, "probability": 0.5}}))
def test_whatever_a_result_holds_it_is_an_answer_or_why_there_is_none(damaged: bytes) -> None:
    for prediction in read_results(damaged.decode("utf-8", "replace").split("\n")):
        assert prediction.error or prediction.class_str
        assert len(prediction.error) < 500


def test_nothing_to_ask_about_starts_no_job(
    vertex: VertexServer, batch: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    for flags in ((), ("--dry_run",)):
        assert batch(tmp_path / "none", *flags) == 2
        assert "expected files, folders that hold some, or patterns; this folder holds none" in capsys.readouterr().err
    assert writes(vertex) == []
