"""A bucket beside the stand-in server, and models in it as trainer.task leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from tests.fakes.vertex.routes import Body
from tests.fakes.vertex.server import VertexServer
from tests.trainer.conftest import photograph
from trainer.vertex.api.options import Cloud

__all__ = ["gcs", "gcs_server"]

Run = Callable[..., int]
PutModel = Callable[..., str]
DESCRIPTION = {"model": "cnn", "dataset": "flowers", "fingerprint": "f" * 64, "gives": "classes"}


def write_model(folder: Path, number: int, accuracy: float | None, **evaluation: Any) -> Path:
    """Writes what a run leaves, as far as a deployment looks at it; the number makes it one of its own."""
    saved = folder / "model"
    (saved / "variables").mkdir(parents=True, exist_ok=True)
    (saved / "assets.extra").mkdir(exist_ok=True)
    (saved / "saved_model.pb").write_bytes(f"graph {number}".encode())
    (saved / "variables" / "variables.index").write_bytes(f"weights {number}".encode())
    (saved / "assets.extra" / "petalstream.json").write_text(json.dumps(DESCRIPTION))
    if accuracy is not None:
        scores = {"split": "test", "num_examples": 100, "accuracy": accuracy, "fingerprint": "f" * 64, **evaluation}
        (folder / "evaluation.json").write_text(json.dumps(scores))
    return folder


@pytest.fixture
def put_model(gcs: Gcs, tmp_path: Path) -> PutModel:
    """Puts a run's model into the bucket; returns the run's folder there."""

    def put(number: int, accuracy: float | None = 0.9, **evaluation: Any) -> str:
        folder = write_model(tmp_path / f"run-{number}", number, accuracy, **evaluation)
        gcs.upload(folder, f"runs/{number}/")
        return gcs.path(f"runs/{number}")

    return put


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three photographs, of a daisy, roses and tulips, in the eyes of the stand-in server."""
    folder = tmp_path / "photos"
    folder.mkdir()
    files = []
    for number in range(3):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(photograph(number))
    return files


@pytest.fixture
def endpoint(vertex: VertexServer, cloud: Cloud) -> Callable[[], Mapping[str, Any]]:
    """Returns the one endpoint that there is."""

    def get() -> Body:
        found = vertex.store.of(cloud.parent, "endpoints")
        assert len(found) == 1
        return found[0]

    return get


@pytest.fixture
def deploy(vertex: VertexServer, gcs: Gcs, cloud: Cloud, command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `deploy` with these arguments; returns its exit code."""
    # The bucket's own environment names another project.
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", cloud.project)
    return lambda *argv: command("deploy", *argv)
