"""The package on Cloud Storage: named by what is in it, built and sent once; and lists of photographs beside it."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import ConfigError
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from tests.fakes.vertex.server import VertexServer
from tests.trainer.vertex.test_resources import ROWS, make_data
from trainer.vertex.api.options import Cloud
from trainer.vertex.training import staging

__all__ = ["gcs", "gcs_server"]

Run = Callable[..., int]
FLAGS = ("--", "--data_dir", "gs://petals/data", "--model", "linear")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name in ("etl", "trainer"):
        (root / name / "__pycache__").mkdir(parents=True)
        (root / name / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    (root / "setup.py").write_text("setup()\n", encoding="utf-8")
    return root


def test_equal_sources_have_one_name(sources: Path, tmp_path: Path) -> None:
    uri = staging.package_uri("gs://b/x", sources)
    copy = tmp_path / "copy"
    shutil.copytree(sources, copy)
    (copy / "etl" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (copy / "etl" / ".hidden").write_bytes(b"x")
    (copy / "notes.txt").write_bytes(b"x")
    assert staging.package_uri("gs://b/x", copy) == uri


@pytest.mark.parametrize("change", ["content", "name", "added", "data"])
def test_other_sources_have_another(change: str, sources: Path) -> None:
    uri = staging.package_uri("gs://b/x", sources)
    path = sources / "trainer" / "__init__.py"
    if change == "content":
        path.write_text("x = 2\n", encoding="utf-8")
    elif change == "name":
        path.rename(path.with_name("other.py"))
    else:
        (sources / "trainer" / ("more.py" if change == "added" else "cpu.yaml")).write_text("", encoding="utf-8")
    assert staging.package_uri("gs://b/x", sources) != uri


def test_an_installed_package_cannot_be_made_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--package_uri: got None.*holds no setup.py"):
        staging.package_uri("gs://b/x", tmp_path)


def test_train_builds_and_uploads_once(
    gcs: Gcs, vertex: VertexServer, cloud: Cloud, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("train", "--config", "cpu", "--staging_bucket", gcs.path("x"))
    assert command(*argv, *FLAGS) == 0
    assert "uploaded" in capsys.readouterr().err
    (uri,) = vertex.bodies("POST customJobs")[0]["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]["packageUris"]
    (name,) = gcs.names()
    assert gcs.path(name) == uri
    with tarfile.open(fileobj=io.BytesIO(gcs.read(name))) as archive:
        names = [member.partition("/")[2] for member in archive.getnames()]
    assert {"setup.py", "etl/format/schema.py", "trainer/task.py"} <= set(names)
    # As a second job of the same sources does.
    assert not staging.upload(uri, cloud)
    assert gcs.names() == [name]


def test_a_bucket_that_is_not_there_stops_it_before_a_job(
    gcs: Gcs, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("train", "--config", "cpu", "--staging_bucket", "gs://nowhere/x", *FLAGS) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "gs://nowhere" in err
    assert "gcloud storage buckets create gs://nowhere" in err
    assert vertex.calls == []


@pytest.mark.parametrize("is_remote", [False, True])
def test_a_list_of_photographs_is_written_and_imported(
    is_remote: bool, gcs: Gcs, vertex: VertexServer, command: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = make_data(tmp_path / "data", ROWS)
    given = gcs.path("data") if is_remote else data_dir
    if is_remote:
        for path in data_dir.rglob("*.*"):
            gcs.write(f"data/{path.relative_to(data_dir)}", path.read_bytes())
    argv = ("--from_data_dir", given, "--images", gcs.path("photos"), "--staging_bucket", gcs.path("x"))
    assert command("dataset", "--display_name", "flowers", *argv) == 0
    (name,) = gcs.names("x/")
    lines = [json.loads(line) for line in gcs.read(name).decode().splitlines()]
    assert [line["imageGcsUri"] for line in lines] == [gcs.path(f"photos/{row['key']}") for row in ROWS]
    sent = vertex.bodies("POST datasets/*:import")[0]
    assert sent["importConfigs"][0]["gcsSource"]["uris"] == [gcs.path(name)]
    assert command("dataset", "--display_name", "flowers", *argv) == 0
    assert "imported before" in capsys.readouterr().err
    assert len(vertex.bodies("POST datasets/*:import")) == 1
