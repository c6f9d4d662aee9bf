from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etl.runners.dataflow.service import Service, serve
from tests.fakes.gcs.fixtures import gcs, gcs_server

__all__ = ["gcs", "gcs_server"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service on loopback that takes jobs as Dataflow does."""
    folder = tmp_path / "service"
    folder.mkdir()
    with serve(folder) as running:
        yield running
