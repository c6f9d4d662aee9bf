"""`trainer.vertex retrain`: from a data set to a deployed model, again, in parts, and with models that are worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.server import VertexServer
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel, write_model
from tests.trainer.vertex.deployment.test_command import shares, writes
from trainer.vertex.api import requests, waiting
from trainer.vertex.api.options import Cloud
from trainer.vertex.retraining import command as retrain

MANIFEST = {
    "schema_version": 1,
    "dataset": "flowers",
    "counts": {"read": 100, "written": 100},
    "variants": {"jpeg": {"splits": {"train": {}, "validation": {}, "test": {}}}},
}


@pytest.fixture
def trained(
    vertex: VertexServer, gcs: Gcs, deploy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What the next training leaves: the evaluation; each run leaves a model of its own."""
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    gcs.write("data/manifest.json", json.dumps(MANIFEST).encode())
    left: dict[str, Any] = {"accuracy": 0.9}

    def leave(job: Mapping[str, Any]) -> None:
        target = job["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"].removeprefix(gcs.path())
        number = len(list(tmp_path.iterdir()))
        folder = write_model(tmp_path / f"trained-{number}", number, **left)
        gcs.upload(folder, f"{target}/")

    # The server's own lock is held meanwhile, and the bucket is another server.
    script(vertex).leave = leave
    return left


@pytest.fixture
def train(command: Run, gcs: Gcs) -> Run:
    """Runs `retrain` in a mode under a run's name."""

    def run(mode: str, run_id: str, *flags: object, trainer: tuple[str, ...] = ()) -> int:
        place = ("--base_output_dir", gcs.path("retrain"), "--package_uri", gcs.path("petalstream.tar.gz"))
        data = ("--data_dir", gcs.path("data"), "--model", "linear", *trainer)
        return command("retrain", "--mode", mode, "--run_id", run_id, *place, *flags, "--", *data)

    return run


def test_from_nothing_to_an_endpoint_that_answers(
    vertex: VertexServer,
    train: Run,
    trained: dict[str, Any],
    endpoint: Callable[[], Mapping[str, Any]],
    gcs: Gcs,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train("develop", "one") == 0
    assert writes(vertex) == [
        "POST customJobs",
        "POST endpoints",
        "POST models:upload",
        "POST endpoints/*:deployModel",
    ]
    (job,) = vertex.bodies("POST customJobs")
    assert job["displayName"] == "petalstream-develop-one"
    assert job["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"] == gcs.path("retrain/one")
    (pool,) = job["jobSpec"]["workerPoolSpecs"]
    assert pool["machineSpec"]["machineType"] == "e2-standard-4"
    args = pool["pythonPackageSpec"]["args"]
    assert {"--num_epochs=2", "--num_training_examples=512", "--resume"} < set(args)
    (upload,) = vertex.bodies("POST models:upload")
    assert upload["model"]["artifactUri"] == gcs.path("retrain/one/model")
    assert endpoint()["displayName"] == "petalstream-develop"
    assert shares(endpoint()) == {"1": 100}
    out = capsys.readouterr().out
    for line in ("data set: flowers, 100 images", "deployed: nothing yet", "trained: test accuracy 0.9000"):
        assert line in out


def test_the_same_run_again_does_nothing(
    vertex: VertexServer, train: Run, trained: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("develop", "one") == 0
    vertex.calls.clear()
    assert train("develop", "one") == 0
    assert writes(vertex) == []
    assert "training: done already" in capsys.readouterr().out


def test_a_better_model_replaces_and_a_worse_one_does_not(
    vertex: VertexServer,
    train: Run,
    trained: dict[str, Any],
    endpoint: Callable[[], Mapping[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train("develop", "one") == 0
    trained["accuracy"] = 0.8
    assert train("develop", "two") == retrain.EXIT_NOT_DEPLOYED == 3
    assert "not deployed: worse, accuracy 0.8000 against accuracy 0.9000 of version 1" in capsys.readouterr().out
    assert shares(endpoint()) == {"1": 100}
    assert train("develop", "two", "--tolerance", "0.2", "--traffic", 10) == 0
    assert shares(endpoint()) == {"1": 90, "2": 10}
    trained["accuracy"] = 0.95
    assert train("develop", "three", "--min_replicas", 1) == 0
    assert shares(endpoint()) == {"3": 100}
    trained |= {"accuracy": 0.5, "fingerprint": "e" * 64}
    assert train("develop", "four", "--force") == 0
    out = capsys.readouterr().out
    assert "was measured on another data set" in out
    assert "deployed all the same" in out
    assert shares(endpoint()) == {"4": 100}


def test_production_goes_on_where_it_was(
    vertex: VertexServer,
    train: Run,
    trained: dict[str, Any],
    endpoint: Callable[[], Mapping[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(vertex).states = ("PENDING", "RUNNING", "RUNNING")
    flags = ("production", "week-47", "--config", "gpus")
    assert train(*flags) == 0
    assert train(*flags) == 0
    assert writes(vertex) == ["POST customJobs"]
    assert "training: under way; the same command later goes on with it" in capsys.readouterr().out
    (name,) = [name for name in vertex.store.resources if "/customJobs/" in name]
    vertex.state[name] = ["SUCCEEDED"]
    vertex.store.get(name)["state"] = "JOB_STATE_RUNNING"
    assert train(*flags, "--wait") == 0
    assert endpoint()["displayName"] == "petalstream"
    assert len(vertex.bodies("POST customJobs")) == 1


def test_a_training_that_fails_deploys_nothing_and_is_started_anew(
    vertex: VertexServer, train: Run, trained: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("FAILED",)
    assert train("develop", "one") == 1
    assert "exited with code 1" in capsys.readouterr().err
    assert writes(vertex) == ["POST customJobs"]
    script(vertex).states = ("SUCCEEDED",)
    assert train("develop", "one") == 0
    assert writes(vertex)[:2] == ["POST customJobs", "POST customJobs"]


def test_without_a_measurement_nothing_is_deployed(
    vertex: VertexServer, train: Run, trained: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    trained["accuracy"] = None
    assert train("develop", "one") == 1
    assert "the training left no gs://petals/retrain/one/evaluation.json" in capsys.readouterr().err
    assert writes(vertex) == ["POST customJobs"]


def test_a_deployed_model_of_which_nothing_is_known_stays(
    vertex: VertexServer,
    deploy: Run,
    put_model: PutModel,
    train: Run,
    trained: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deploy(put_model(1, None), "--endpoint", "petalstream-develop") == 0
    assert train("develop", "one") == 3
    assert "--force deploys it" in capsys.readouterr().out


def test_what_is_printed_is_what_is_sent(
    vertex: VertexServer, train: Run, trained: dict[str, Any], cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("production", "one", "--wait", "--dry_run") == 0
    assert vertex.calls == []
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert train("production", "one", "--wait") == 0
    # The log has numbers as the API spells them.
    job = requests.to_dict(requests.parse("CreateCustomJobRequest", printed[0]))["customJob"]
    assert job == vertex.bodies("POST customJobs")[0]
    (upload,) = vertex.bodies("POST models:upload")
    assert printed[2]["model"]["artifactUri"] == upload["model"]["artifactUri"]
    assert printed[2]["model"]["containerSpec"] == upload["model"]["containerSpec"]
    deployed = vertex.bodies("POST endpoints/*:deployModel")[0]
    assert printed[3]["deployedModel"]["dedicatedResources"] == deployed["deployedModel"]["dedicatedResources"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--mode", "production"), "--run_id: got None, expected a name for the run"),
        (("--run_id", "A B"), "--run_id: got 'A B'"),
        (("--run_id", "a", "--display_name", "b"), "--display_name: got 'b', expected --run_id"),
        (("--run_id", "a"), "--base_output_dir: got None"),
        (("--run_id", "a", "--base_output_dir", "out"), "--base_output_dir: got 'out'"),
        (("--automl", "--dataset", "1", "--budget_hours", "7"), "--budget_hours: got 7, expected 8 to 800"),
        (("--automl",), "--dataset: got None, expected a managed image data set"),
    ],
)
def test_mistakes_are_found_before_anything_is_asked(
    vertex: VertexServer, command: Run, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("retrain", *flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert vertex.calls == []


def test_a_data_set_that_is_not_there_costs_no_machine(
    vertex: VertexServer, train: Run, trained: dict[str, Any], gcs: Gcs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("develop", "one", trainer=("--data_dir", gcs.path("none"))) == 2
    assert "there is no gs://petals/none/manifest.json" in capsys.readouterr().err
    without = {**MANIFEST, "variants": {"jpeg": {"splits": {"train": {}}}}}
    gcs.write("data/manifest.json", json.dumps(without).encode())
    assert train("develop", "one") == 2
    assert "a data set with a test split" in capsys.readouterr().err
    assert writes(vertex) == []


def test_automl_is_a_pipeline_that_the_service_knows(
    vertex: VertexServer,
    command: Run,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from google.cloud.aiplatform.v1.schema.trainingjob.definition_v1 import types
    from google.protobuf import json_format

    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    vertex.store.add(f"{cloud.parent}/datasets/123", {"displayName": "flowers"})
    assert command("retrain", "--run_id", "one", "--automl", "--dataset", "123") == 0
    (body,) = vertex.bodies("POST trainingPipelines")
    inputs = types.AutoMlImageClassificationInputs
    parsed = json_format.ParseDict(body["trainingTaskInputs"], inputs.pb(inputs()), ignore_unknown_fields=False)
    assert parsed.budget_milli_node_hours == 8000
    assert parsed.model_type == inputs.ModelType.CLOUD
    assert body["inputDataConfig"]["datasetId"] == "123"
    assert "not deployed: AutoML has metrics of its own" in capsys.readouterr().out
    assert writes(vertex) == ["POST trainingPipelines"]
