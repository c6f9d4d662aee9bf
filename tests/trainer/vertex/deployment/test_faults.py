"""A deployment of which a step fails: it leaves the state before, or one that answers, and a way on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import Fault
from tests.fakes.vertex.server import VertexServer
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel
from tests.trainer.vertex.deployment.test_command import shares, writes
from trainer.vertex.api.options import Cloud

Endpoint = Callable[[], Mapping[str, Any]]

FLAGS = ("--monitoring", "--request_log", "bq://petals-123.logs.requests")
# The quotas that asking again doesn't raise.
QUOTA = "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_serving_cpus"


@dataclass(frozen=True)
class Step:
    """A step of replacing version 1 by version 2: its request, and whether version 2 answers when it fails."""

    method: str
    path: str
    answers: bool


STEPS = {
    "upload": Step("POST", "models:upload", False),
    "deploy": Step("POST", ":deployModel", False),
    "undeploy": Step("POST", ":undeployModel", True),
    "default": Step("POST", ":mergeVersionAliases", True),
    "monitor": Step("PATCH", "modelDeploymentMonitoringJobs/", True),
}
# Status and message to exit code and what the line says.
FAULTS = {
    "permission": (403, "Permission 'aiplatform.x' denied.", 2, "roles/aiplatform.user"),
    "missing": (404, "Resource is not found.", 2, "something that is there in europe-west4"),
    "quota": (429, QUOTA, 1, "the quota of aiplatform.googleapis.com/custom_model_serving_cpus in europe-west4"),
    "request": (400, "Machine type is not supported.", 2, "a request that Vertex AI takes"),
    "bug": (500, "Internal error.", 1, "INTERNAL: Internal error; try again later"),
}


def numbers(vertex: VertexServer, cloud: Cloud) -> list[str]:
    """The versions of the one model that there is."""
    (model,) = vertex.store.of(cloud.parent, "models")
    return [version["versionId"] for version in vertex.state[f"versions of {model['name']}"]]


@pytest.mark.parametrize(
    ("step", "fault"),
    # Once the new version answers, what follows is told by one function.
    [(step, fault) for step in STEPS for fault in FAULTS if not STEPS[step].answers or fault in ("permission", "bug")],
)
def test_a_step_that_is_refused(
    vertex: VertexServer,
    deploy: Run,
    put_model: PutModel,
    endpoint: Endpoint,
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    step: str,
    fault: str,
) -> None:
    assert deploy(put_model(1), *FLAGS) == 0
    status, message, code, words = FAULTS[fault]
    vertex.fail(STEPS[step].method, STEPS[step].path, status, message, times=100)
    capsys.readouterr()
    assert deploy(put_model(2), *FLAGS) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert sum(endpoint()["trafficSplit"].values()) == 100
    if STEPS[step].answers:
        assert shares(endpoint())["2"] == 100
        assert "version 2 is deployed as" in error
    else:
        assert shares(endpoint()) == {"1": 100}
        # What may have been done all the same isn't taken for undone.
        assert ("it isn't known whether that went through" in error) == (fault == "bug")
        assert numbers(vertex, cloud) == (["1", "2"] if fault == "bug" and step == "deploy" else ["1"])
    vertex.faults.clear()
    assert deploy(put_model(2), *FLAGS) == 0
    assert shares(endpoint()) == {"2": 100}
    assert list(numbers(vertex, cloud)) == ["1", "2"]
    vertex.calls.clear()
    assert deploy(put_model(2), *FLAGS) == 0
    assert writes(vertex) == []


@pytest.mark.parametrize("operation", ["UploadModel", "DeployModel"])
def test_an_operation_that_fails_leaves_an_empty_project_empty(
    vertex: VertexServer,
    deploy: Run,
    put_model: PutModel,
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    operation: str,
) -> None:
    vertex.fail_operation(f"{operation}OperationMetadata", 429, QUOTA)
    assert deploy(put_model(1)) == 1
    error = capsys.readouterr().err
    assert "the quota of aiplatform.googleapis.com/custom_model_serving_cpus" in error
    assert "; nothing was deployed; endpoint petalstream" in error
    assert error.endswith("deleted again\n")
    assert vertex.store.of(cloud.parent, "endpoints") == []
    assert vertex.store.of(cloud.parent, "models") == []


def test_what_can_not_be_deleted_again_is_named(
    vertex: VertexServer, deploy: Run, put_model: PutModel, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.fail_operation("DeployModelOperationMetadata", 429, QUOTA)
    vertex.fail("DELETE", "endpoints", 403, "Permission denied.", times=100)
    assert deploy(put_model(1)) == 1
    assert "endpoint petalstream could not be deleted again" in capsys.readouterr().err
    vertex.faults.clear()
    assert deploy(put_model(1)) == 0


@pytest.mark.parametrize("status", [429, 503])
def test_what_passes_is_tried_again(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint, status: int
) -> None:
    for method, path in (("GET", "endpoints"), ("GET", "models"), ("GET", "operations")):
        vertex.fail(method, path, status, "Too many requests.", times=2)
    for path in ("endpoints", "models:upload", ":deployModel"):
        vertex.fail("POST", path, 429, "Too many requests.", times=2)
    assert deploy(put_model(1)) == 0
    assert shares(endpoint()) == {"1": 100}
    assert writes(vertex) == [
        call for call in ("POST endpoints", "POST models:upload", "POST endpoints/*:deployModel") for _ in range(3)
    ]


def test_an_answer_that_got_lost_is_not_asked_for_twice(
    vertex: VertexServer, deploy: Run, put_model: PutModel, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.fail("POST", ":deployModel", 503, "Unavailable.", applied=True)
    assert deploy(put_model(1)) == 1
    error = capsys.readouterr().err
    assert "it isn't known whether that went through" in error
    assert "the same command again goes on from there" in error
    vertex.calls.clear()
    assert deploy(put_model(1)) == 0
    assert writes(vertex) == []
    assert shares(endpoint()) == {"1": 100}


def test_two_endpoints_of_one_name_are_not_chosen_from(
    vertex: VertexServer, deploy: Run, put_model: PutModel, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"displayName": "petalstream", "labels": {"managed_by": "petalstream"}}
    names = [f"{cloud.parent}/endpoints/{number}" for number in (11, 12)]
    for name in names:
        vertex.store.add(name, body)
    # Somebody else's of the same name is no matter.
    vertex.store.add(f"{cloud.parent}/endpoints/13", {"displayName": "petalstream"})
    assert deploy(put_model(1)) == 2
    assert "give the number of the one you mean: 12, 11" in capsys.readouterr().err
    assert deploy(put_model(1), "--endpoint", "11") == 0
    assert shares(vertex.store.get(names[0])) == {"1": 100}


@pytest.mark.parametrize(("status", "code", "words"), [(403, 2, "roles/storage.objectAdmin"), (404, 2, "is there")])
def test_a_bucket_that_refuses(
    vertex: VertexServer,
    deploy: Run,
    put_model: PutModel,
    gcs: Gcs,
    capsys: pytest.CaptureFixture[str],
    status: int,
    code: int,
    words: str,
) -> None:
    run = put_model(1)
    if status == 404:
        run = "gs://no-such-bucket/run"
    else:
        gcs.configure(faults=(Fault("403"),))
    assert deploy(run) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert vertex.calls == []
