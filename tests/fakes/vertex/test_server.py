"""The stand-in server itself: were it lenient, the other tests would show nothing."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.vertex.routes import RefusedError, Route
from tests.fakes.vertex.server import VertexServer
from tests.fakes.vertex.store import Store, matches

PARENT = "projects/p/locations/r"


def ask(vertex: VertexServer, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", vertex.server_port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_an_unknown_field_is_refused(vertex: VertexServer) -> None:
    status, answer = ask(vertex, "POST", f"/v1/{PARENT}/customJobs", {"displayName": "x", "colour": "red"})
    assert status == 400
    assert "colour" in answer["error"]["message"]
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert vertex.store.resources == {}


def test_an_unknown_field_of_a_free_form_part_is_refused(vertex: VertexServer) -> None:
    task = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
    body = {"displayName": "x", "trainingTaskDefinition": task, "trainingTaskInputs": {"pools": []}}
    status, answer = ask(vertex, "POST", f"/v1/{PARENT}/trainingPipelines", body)
    assert status == 400
    assert "pools" in answer["error"]["message"]


@pytest.mark.parametrize("path", [f"/v1/{PARENT}/nothing", f"/v2/{PARENT}/customJobs", "/", f"/ui/{PARENT}/customJobs"])
def test_an_unknown_path_is_refused(path: str, vertex: VertexServer) -> None:
    assert ask(vertex, "GET", path)[0] == 404


def test_a_body_where_none_belongs_is_refused(vertex: VertexServer) -> None:
    assert ask(vertex, "GET", f"/v1/{PARENT}/customJobs", {"a": 1})[0] == 400


def test_faults_come_so_often_and_no_more(vertex: VertexServer) -> None:
    vertex.fail("GET", "customJobs", 429, times=2)
    assert [ask(vertex, "GET", f"/v1/{PARENT}/customJobs")[0] for _ in range(3)] == [429, 429, 200]
    assert vertex.short_calls() == ["GET customJobs"] * 3


def test_a_route_matches_its_own_paths_alone() -> None:
    route = Route("POST", "{parent}/models/{id}:copy", lambda server, request: {})
    assert route.match("POST", f"{PARENT}/models/7:copy") == {"parent": PARENT, "id": "7"}
    for method, path in (
        ("GET", "models/7:copy"),
        ("POST", "models/7"),
        ("POST", "models/7/8:copy"),
        ("POST", "m/7:copy"),
    ):
        assert route.match(method, f"{PARENT}/{path}") is None


BODY = {"displayName": "a b", "state": "FAILED", "labels": {"team": "pets"}, "name": f"{PARENT}/models/7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('display_name="a b"', True),
        ('displayName="a b" AND state=FAILED', True),
        ('displayName="a b" AND state=RUNNING', False),
        ('labels.team="pets"', True),
        ("labels.team:*", True),
        ("labels.cost:*", False),
        ('state!="FAILED"', False),
        ("name=7", True),
    ],
)
def test_filters(text: str, expected: bool) -> None:
    assert matches(BODY, text) is expected


def test_a_filter_that_is_none_is_refused() -> None:
    with pytest.raises(RefusedError, match="Invalid filter"):
        matches(BODY, "state FAILED")


@given(st.integers(0, 30), st.integers(1, 12))
def test_pages_hold_all_once_in_order(count: int, page_size: int) -> None:
    store = Store()
    for number in range(count):
        store.add(f"{PARENT}/models/{number}", {})
        store.add(f"{PARENT}/models/{number}/evaluations/1", {})
    names: list[str] = []
    token = ""
    while True:
        page = store.page(PARENT, "models", {"pageSize": str(page_size), "pageToken": token})
        assert len(page["models"]) <= page_size
        names += [body["name"] for body in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"{PARENT}/models/{number}" for number in reversed(range(count))]


def test_an_update_needs_a_mask_and_heeds_it() -> None:
    store = Store()
    store.add("x", {"a": 1, "labels": {"b": "c"}, "displayName": "d"})
    with pytest.raises(RefusedError, match="updateMask"):
        store.update("x", {"a": 2}, {})
    store.update("x", {"labels": {"e": "f"}, "a": 3}, {"updateMask": "labels,display_name"})
    assert {name: store.get("x").get(name) for name in ("a", "labels", "displayName")} == {
        "a": 1,
        "labels": {"e": "f"},
        "displayName": None,
    }
