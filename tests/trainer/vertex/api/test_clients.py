"""The SDK's clients against the stand-in server: retries, operations, and what each failure is told as."""

from __future__ import annotations

import re

import pytest

from etl.errors import ConfigError, PetalstreamError
from tests.fakes.vertex.server import VertexServer
from trainer.vertex.api import clients, requests
from trainer.vertex.api.failures import CloudError, translate_errors
from trainer.vertex.api.options import Cloud

DATASET = {"displayName": "flowers", "metadataSchemaUri": "gs://schema/image.yaml", "metadata": {}}


def create(cloud: Cloud, name: str = "flowers") -> str:
    client = clients.make("dataset", cloud)
    body = requests.parse("Dataset", {**DATASET, "displayName": name})
    with translate_errors("creating the data set flowers", cloud):
        operation = client.create_dataset(parent=cloud.parent, dataset=body)
        return str(clients.finish(operation, timeout_seconds=5).name)


def test_an_operation_is_waited_for(vertex: VertexServer, cloud: Cloud) -> None:
    vertex.polls = 3
    name = create(cloud)
    client = clients.make("dataset", cloud)
    assert client.get_dataset(name=name).display_name == "flowers"
    assert vertex.short_calls() == ["POST datasets", "GET datasets/*"]
    assert vertex.bodies("POST datasets") == [DATASET]


def test_an_operation_that_fails_is_one_line(vertex: VertexServer, cloud: Cloud) -> None:
    vertex.fail_operation("datasets", 500, "Internal error.")
    with pytest.raises(CloudError, match="creating the data set flowers: INTERNAL: .*Internal error"):
        create(cloud)


def test_an_operation_that_never_ends_is_one_line(vertex: VertexServer, cloud: Cloud) -> None:
    vertex.polls = 10_000
    client = clients.make("dataset", cloud)
    body = requests.parse("Dataset", DATASET)
    with pytest.raises(CloudError, match=r"DEADLINE_EXCEEDED: .*/operations/\d+ is not done after 0 s"):  # noqa: SIM117
        with translate_errors("creating", cloud):
            clients.finish(client.create_dataset(parent=cloud.parent, dataset=body), timeout_seconds=0.1)


@pytest.mark.parametrize("times", [1, 3])
def test_too_many_requests_are_tried_again(vertex: VertexServer, cloud: Cloud, times: int) -> None:
    vertex.fail("POST", "datasets", 429, "Quota exceeded for quota metric 'Requests'.", times=times)
    create(cloud)
    assert vertex.short_calls() == ["POST datasets"] * (times + 1)


def test_reading_is_tried_again_where_the_service_is_unavailable(vertex: VertexServer, cloud: Cloud) -> None:
    name = create(cloud)
    vertex.fail("GET", "datasets/", 503, times=2)
    assert clients.make("dataset", cloud).get_dataset(name=name).name == name


def test_creating_is_not_tried_again_where_it_may_have_worked(vertex: VertexServer, cloud: Cloud) -> None:
    vertex.fail("POST", "datasets", 503, "The service is currently unavailable.")
    with pytest.raises(CloudError, match="UNAVAILABLE: The service is currently unavailable; try again later"):
        create(cloud)
    assert vertex.short_calls() == ["POST datasets"]


MACHINES = (
    "The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus"
)
FAILURES = {
    "permission": (
        403,
        "Permission 'aiplatform.datasets.create' denied on resource.",
        ConfigError,
        r"denied on resource.*roles/aiplatform.user.*add-iam-policy-binding petals-123",
    ),
    "acting": (
        403,
        "Permission 'iam.serviceAccounts.actAs' denied.",
        ConfigError,
        r"iam\.serviceAccountUser",
    ),
    "disabled": (
        403,
        "Vertex AI API has not been used in project 1 before or it is disabled.",
        ConfigError,
        r"gcloud services enable aiplatform\.googleapis\.com --project=petals-123",
    ),
    "machines": (
        429,
        MACHINES,
        CloudError,
        r"quota of aiplatform.*nvidia_t4_gpus in europe-west4 is used up.*iam-admin",
    ),
    "unauthenticated": (401, "Request had invalid credentials.", ConfigError, "application-default login"),
    "missing": (
        404,
        "The Dataset projects/p/locations/r/datasets/1 does not exist.",
        ConfigError,
        "list datasets --project petals-123 --region europe-west4 shows what is",
    ),
    "invalid": (400, "Field: display_name; Message: too long.", ConfigError, "too long.*--dry_run shows"),
    "internal": (500, "Internal error encountered.", CloudError, "INTERNAL: Internal error encountered; try again"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_refusal_is_one_line_that_says_what_to_do(name: str, vertex: VertexServer, cloud: Cloud) -> None:
    status, message, kind, expected = FAILURES[name]
    vertex.fail("POST", "datasets", status, message, times=100)
    with pytest.raises(PetalstreamError) as caught:
        create(cloud)
    line = str(caught.value)
    assert isinstance(caught.value, kind)
    assert line.startswith("creating the data set flowers: ")
    assert "\n" not in line
    assert "http://127" not in line
    assert re.search(expected, line), line
    assert len(vertex.calls) == 1


def test_what_never_passes_ends(vertex: VertexServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "RETRY_SECONDS", 0.2)
    vertex.fail("GET", "datasets/", 503, "Unavailable.", times=10_000)
    with (
        pytest.raises(CloudError, match="UNAVAILABLE again and again: Unavailable; try"),
        translate_errors("looking", cloud),
    ):
        clients.make("dataset", cloud).get_dataset(name=f"{cloud.parent}/datasets/1")


def test_a_server_that_is_away_is_one_line(vertex: VertexServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clients.ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    with (
        pytest.raises(CloudError, match="looking: no connection .*europe-west4 has Vertex AI"),
        translate_errors("looking", cloud),
    ):
        clients.make("dataset", cloud).get_dataset(name=f"{cloud.parent}/datasets/1")


def test_a_strange_address_is_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clients.ENDPOINT_VARIABLE, "127.0.0.1:80")
    with pytest.raises(ConfigError, match="begins with http://"):
        clients.make("dataset", cloud)


def test_without_credentials_it_says_how_to_sign_in(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(clients.ENDPOINT_VARIABLE, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(ConfigError, match="signing in.*gcloud auth application-default login"):
        clients.make("dataset", cloud)


@pytest.mark.parametrize("service", clients.SERVICES)
def test_every_client_speaks_rest(service: str, vertex: VertexServer, cloud: Cloud) -> None:
    assert clients.make(service, cloud).list_operations.func.__self__.transport.kind == "rest"
