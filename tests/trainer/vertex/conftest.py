"""The stand-in server, and what makes the SDK go to it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator

import pytest

from etl.errors import run_main
from tests.fakes.vertex.resources import ROUTES
from tests.fakes.vertex.server import VertexServer
from tests.fakes.vertex.server import run as run_server
from tests.trainer.vertex.deployed import Run, deploy, endpoint, gcs, gcs_server, photos, put_model
from trainer import environment
from trainer.vertex.__main__ import main
from trainer.vertex.api import clients
from trainer.vertex.api.options import PROJECT_VARIABLE, REGION_VARIABLE, Cloud

__all__ = ["Run", "deploy", "endpoint", "gcs", "gcs_server", "photos", "put_model"]

CLOUD = Cloud("petals-123", "europe-west4")


@pytest.fixture(scope="session")
def vertex_server() -> Iterator[VertexServer]:
    """One server for all tests of a process."""
    pytest.importorskip("google.cloud.aiplatform_v1")
    serving = []
    if importlib.util.find_spec("tests.fakes.vertex.serving"):
        serving = list(importlib.import_module("tests.fakes.vertex.serving").ROUTES)
    with run_server([*serving, *ROUTES]) as server:
        yield server


@pytest.fixture
def vertex(vertex_server: VertexServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexServer]:
    """The server, empty and without faults, and the environment that leads the SDK to it; nobody waits long."""
    vertex_server.reset()
    monkeypatch.setenv(clients.ENDPOINT_VARIABLE, vertex_server.url)
    for name in (PROJECT_VARIABLE, REGION_VARIABLE, environment.REGION):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT_VARIABLE, CLOUD.project)
    monkeypatch.setenv(REGION_VARIABLE, CLOUD.region)
    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "FIRST_POLL_SECONDS", "LONGEST_POLL_SECONDS"):
        monkeypatch.setattr(clients, name, 0.01)
    monkeypatch.setattr(clients, "RETRY_SECONDS", 2.0)
    yield vertex_server
    # A bug of the server fails the test in which it showed.
    assert not vertex_server.errors, "\n".join(vertex_server.errors)


@pytest.fixture
def cloud() -> Cloud:
    """The project and the region of the tests."""
    return CLOUD


@pytest.fixture
def command() -> Run:
    """Runs `python -m trainer.vertex` in this process; returns its exit code."""
    return lambda *argv: run_main(main, list(map(str, argv)))
