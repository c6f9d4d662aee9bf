"""`trainer.vertex deploy` against the stand-in server: what it does, in which order, a second time, and in parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.vertex.server import VertexServer
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel, write_model
from trainer.vertex.api.options import Cloud

Endpoint = Callable[[], Mapping[str, Any]]

FIRST = [
    "GET endpoints",
    "POST endpoints",
    "GET models",
    "POST models:upload",
    "GET endpoints/*/operations",
    "GET endpoints/*",
    "POST endpoints/*:deployModel",
    "GET endpoints/*",
    "GET models/*",
    "GET endpoints/*",
    "GET endpoints/*",
]


def writes(vertex: VertexServer) -> list[str]:
    """What was asked of the server but for looking, in order."""
    return [call for call in vertex.short_calls() if not call.startswith("GET")]


def shares(endpoint: Mapping[str, Any]) -> dict[str, int]:
    """Version to its share of an endpoint's traffic."""
    return {
        deployed["modelVersionId"]: endpoint.get("trafficSplit", {}).get(deployed["id"], 0)
        for deployed in endpoint.get("deployedModels", ())
    }


def test_into_an_empty_project(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(put_model(1)) == 0
    assert vertex.short_calls() == FIRST
    assert shares(endpoint()) == {"1": 100}
    out = capsys.readouterr().out
    assert "endpoint: created projects/petals-123/locations/europe-west4/endpoints/" in out
    assert "model: uploaded version 1 of" in out
    assert "100 %" in out


def test_a_second_time_does_nothing(vertex: VertexServer, deploy: Run, put_model: PutModel) -> None:
    run = put_model(1)
    assert deploy(run, "--monitoring") == 0
    vertex.calls.clear()
    assert deploy(run, "--monitoring") == 0
    assert writes(vertex) == []


def test_what_is_printed_says_that_nobody_was_asked(
    vertex: VertexServer, deploy: Run, put_model: PutModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(put_model(1), "--traffic", "10", "--dry_run") == 0
    assert vertex.calls == []
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if line.startswith("# ")]
    said = " ".join(line[2:] for line in lines)
    assert "Nobody was asked: these are the requests of a project without the endpoint petalstream" in said
    assert "the version gets 10 % (--traffic) and they share 90 %; here are no others, so it gets 100 %." in said
    assert [body["trafficSplit"] for body in yaml.safe_load_all(shown) if "trafficSplit" in body] == [{"0": 100}]


def test_what_is_printed_is_what_is_sent(
    vertex: VertexServer, deploy: Run, put_model: PutModel, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [put_model(1) + "/model", "--monitoring", "--request_log", "bq://petals-123.logs.requests"]
    flags += ["--alias", "candidate", "--machine_type", "n1-standard-8", "--max_replicas", "3"]
    flags += ["--accelerator_type", "NVIDIA_TESLA_T4", "--service_account", "serve@petals-123.iam.gserviceaccount.com"]
    assert deploy(*flags, "--dry_run") == 0
    assert vertex.calls == []
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert deploy(*flags) == 0
    sent = [call for call in vertex.calls if call.method == "POST"]
    assert [call.short for call in sent] == [
        "POST endpoints",
        "POST models:upload",
        "POST endpoints/*:deployModel",
        "POST modelDeploymentMonitoringJobs",
    ]
    store = vertex.store
    (endpoint,), (model,) = store.of(cloud.parent, "endpoints"), store.of(cloud.parent, "models")
    # A request's body leaves out what the path says, and is the resource alone where it makes one.
    bodies = [sent[0].body, sent[1].body, {"endpoint": endpoint["name"], **sent[2].body}, sent[3].body]
    wanted = [printed[0]["endpoint"], printed[1], printed[2], printed[3]["modelDeploymentMonitoringJob"]]
    text = json.dumps(wanted)
    numbers = {
        "endpoints/ENDPOINT": "endpoints/" + endpoint["name"].rpartition("/")[2],
        "models/MODEL": "models/" + model["name"].rpartition("/")[2],
        "DEPLOYED_MODEL": endpoint["deployedModels"][0]["id"],
    }
    for placeholder, number in numbers.items():
        text = text.replace(placeholder, number)
    digest = bodies[1]["model"]["versionDescription"].split(",")[0]
    assert digest.startswith("artifact ")
    wanted = json.loads(text.replace("artifact DIGEST", bodies[1]["model"]["versionDescription"]))
    wanted[1]["model"]["labels"] = bodies[1]["model"]["labels"]
    assert wanted[1].pop("parent") == cloud.parent
    assert bodies == wanted


def test_a_new_version_replaces_the_old_one_once_it_answers(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint, cloud: Cloud
) -> None:
    assert deploy(put_model(1)) == 0
    vertex.calls.clear()
    assert deploy(put_model(2)) == 0
    assert writes(vertex) == [
        "POST models:upload",
        "POST endpoints/*:deployModel",
        "POST endpoints/*:undeployModel",
        "POST models/*:mergeVersionAliases",
    ]
    (upload,) = vertex.bodies("POST models:upload")
    (model,) = vertex.store.of(cloud.parent, "models")
    assert upload["parentModel"] == model["name"]
    assert shares(endpoint()) == {"2": 100}


def test_a_canary_gets_its_share_and_the_rest_keep_theirs(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint
) -> None:
    runs = [put_model(number) for number in range(3)]
    assert deploy(runs[0]) == 0
    assert deploy(runs[1], "--traffic", 10) == 0
    assert shares(endpoint()) == {"1": 90, "2": 10}
    vertex.calls.clear()
    assert deploy(runs[1], "--traffic", 10) == 0
    assert writes(vertex) == []
    assert deploy(runs[2], "--traffic", 10) == 0
    assert shares(endpoint()) == {"1": 81, "2": 9, "3": 10}
    assert deploy(runs[2], "--traffic", 100) == 0
    assert shares(endpoint()) == {"3": 100}
    for body in vertex.bodies("POST endpoints/*:deployModel"):
        assert sum(body["trafficSplit"].values()) == 100


def test_back_to_a_version_that_was_kept(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint
) -> None:
    runs = [put_model(1), put_model(2)]
    assert deploy(runs[0]) == 0
    assert deploy(runs[1], "--keep_replaced") == 0
    assert shares(endpoint()) == {"1": 0, "2": 100}
    vertex.calls.clear()
    assert deploy(runs[0]) == 0
    assert writes(vertex) == [
        "PATCH endpoints/*",
        "POST endpoints/*:undeployModel",
        "POST models/*:mergeVersionAliases",
    ]
    assert shares(endpoint()) == {"1": 100}


def test_more_copies_are_no_new_deployment(vertex: VertexServer, deploy: Run, put_model: PutModel) -> None:
    run = put_model(1)
    assert deploy(run) == 0
    vertex.calls.clear()
    assert deploy(run, "--min_replicas", 2, "--max_replicas", 5) == 0
    assert writes(vertex) == ["POST endpoints/*:mutateDeployedModel"]
    vertex.calls.clear()
    assert deploy(run, "--min_replicas", 2, "--max_replicas", 5) == 0
    assert writes(vertex) == []


def test_another_machine_is_a_new_deployment_of_the_same_version(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint
) -> None:
    run = put_model(1)
    assert deploy(run) == 0
    vertex.calls.clear()
    assert deploy(run, "--machine_type", "n1-standard-16") == 0
    assert writes(vertex) == ["POST endpoints/*:deployModel", "POST endpoints/*:undeployModel"]
    (deployed,) = endpoint()["deployedModels"]
    assert deployed["dedicatedResources"]["machineSpec"]["machineType"] == "n1-standard-16"


def test_another_model_at_the_same_place_is_another_version(
    vertex: VertexServer, deploy: Run, put_model: PutModel, gcs: Gcs, endpoint: Endpoint
) -> None:
    run = put_model(1)
    assert deploy(run) == 0
    gcs.write("runs/1/model/variables/variables.index", b"trained once more")
    assert deploy(run) == 0
    assert shares(endpoint()) == {"2": 100}


def test_a_local_model_is_uploaded_under_its_digest(
    vertex: VertexServer, deploy: Run, gcs: Gcs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model(tmp_path / "run", 1, 0.875)
    assert deploy(folder) == 2
    assert "--staging_bucket: got None, expected a gs:// folder" in capsys.readouterr().err
    assert deploy(folder, "--staging_bucket", gcs.path("staging")) == 0
    (body,) = vertex.bodies("POST models:upload")
    uri = body["model"]["artifactUri"]
    assert uri.startswith(gcs.path("staging/models/"))
    name = uri.removeprefix(gcs.path())
    assert gcs.read(f"{name}/saved_model.pb") == b"graph 1"
    assert json.loads(gcs.read(f"{name.removesuffix('model')}evaluation.json"))["accuracy"] == 0.875
    assert body["model"]["versionDescription"].endswith("test accuracy 0.8750, model cnn, data set flowers")
    assert body["model"]["labels"]["test_accuracy"] == "0_8750"
    vertex.calls.clear()
    assert deploy(folder, "--staging_bucket", gcs.path("staging")) == 0
    assert writes(vertex) == []
    assert "0 files sent" in capsys.readouterr().out


def test_what_is_under_way_is_waited_for(vertex: VertexServer, deploy: Run, put_model: PutModel) -> None:
    run = put_model(1)
    vertex.polls = 10_000
    assert deploy(run, "--timeout_minutes", "0.01") == 1
    vertex.polls = 0
    for pending in vertex.operations.values():
        pending.polls_left = min(pending.polls_left, 3)
    assert deploy(run) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("gs://petals/none",), "MODEL_DIR: got 'gs://petals/none', expected a SavedModel"),
        (("gs://petals/none", "--traffic", "0"), "--traffic: got '0', expected whole per cents from 1 to 100"),
        (("gs://petals/none", "--min_replicas", "3", "--max_replicas", "2"), "--max_replicas: got 2"),
        (("gs://petals/none", "--request_log", "logs"), "--request_log: got 'logs', expected a table of BigQuery"),
        (("gs://petals/none", "--alert_email", "a@b.c"), "--alert_email: .* nothing, without --monitoring"),
        (("gs://petals/none", "--endpoint", 'a"b'), "--endpoint: got 'a\"b', expected 1 to 127 letters"),
        (("gs://petals/none", "--alias", "1"), "--alias: got '1'"),
        (("gs://petals/none", "--accelerator_type", "T4"), "acceleratorType: .*a value that the API takes"),
        (("gs://petals/none", "--predict_route", "x"), "--predict_route: got 'x', expected a path"),
    ],
)
def test_mistakes_are_found_before_anything_is_asked(
    vertex: VertexServer, deploy: Run, flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(*flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1

    assert re.search(message, error)
    assert vertex.calls == []
