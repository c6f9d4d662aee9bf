"""`tensorboard`, `dataset`, `status` and `list` against the stand-in server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.errors import ConfigError, DatasetError
from etl.format import layout, manifest
from etl.format.features import ImageSpec
from etl.format.manifest import Counts, Manifest, Split, Variant
from etl.format.schema import COMMON_FEATURES
from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.server import VertexServer
from trainer.vertex.api import requests, waiting
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.options import Cloud
from trainer.vertex.data import image_lists

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]

LIST = "gs://petals/flowers.jsonl"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def test_a_tensorboard_instance_is_made_once(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    argv = ("tensorboard", "--display_name", "petals", "--label", "team=pets")
    assert command(*argv, "--dry_run") == 0
    shown = documents(capsys.readouterr().out)
    assert vertex.calls == []
    assert command(*argv) == 0
    first = capsys.readouterr()
    assert command(*argv) == 0
    second = capsys.readouterr()
    assert vertex.short_calls() == ["GET tensorboards", "POST tensorboards", "GET tensorboards"]
    assert shown == vertex.bodies("POST tensorboards")
    assert shown == [{"displayName": "petals", "labels": {"managed_by": "petalstream", "team": "pets"}}]
    # What --tensorboard takes.
    assert first.out == second.out
    assert first.out.startswith("projects/petals-123/locations/europe-west4/tensorboards/")
    assert first.err.startswith("created: https://console")
    assert second.err.startswith("there already: https://console")


def test_an_instance_of_somebody_else_is_left_alone(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: Capture
) -> None:
    vertex.store.add(f"{cloud.parent}/tensorboards/7", {"displayName": "petalstream"})
    assert command("tensorboard") == 0
    assert not capsys.readouterr().out.strip().endswith("/7")


def test_a_tensorboard_instance_that_fails(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    vertex.fail_operation("tensorboards", 429, "Quota limit 'TensorboardsPerRegion' has been exceeded.")
    assert command("tensorboard", "--display_name", "petals") == 1
    out, err = capsys.readouterr()
    assert err.startswith("error: creating the TensorBoard instance petals: the quota in europe-west4 is used up")
    assert out == ""


def test_a_data_set_is_made_and_filled_once(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    argv = ("dataset", "--display_name", "flowers", "--import", LIST)
    assert command(*argv, "--dry_run") == 0
    dataset, imports = documents(capsys.readouterr().out)
    assert vertex.calls == []
    assert command(*argv) == 0
    name = capsys.readouterr().out.strip()
    assert vertex.short_calls() == ["GET datasets", "POST datasets", "POST datasets/*:import", "PATCH datasets/*"]
    assert requests.parse("Dataset", dataset) == requests.parse("Dataset", vertex.bodies("POST datasets")[0])
    sent = vertex.bodies("POST datasets/*:import")[0]
    assert imports == sent
    assert sent["importConfigs"][0]["gcsSource"] == {"uris": [LIST]}
    assert sent["importConfigs"][0]["importSchemaUri"].endswith(
        "image_classification_single_label_io_format_1.0.0.yaml"
    )
    assert dataset["metadataSchemaUri"].endswith("/metadata/image_1.0.0.yaml")
    labels = vertex.store.get(name)["labels"]
    assert labels["managed_by"] == "petalstream"
    # Again: nothing is left to do.
    vertex.calls.clear()
    assert command(*argv) == 0
    out, err = capsys.readouterr()
    assert out.strip() == name
    assert "imported before" in err
    assert vertex.short_calls() == ["GET datasets"]
    # Another list is.
    assert command(*argv, "gs://petals/more.jsonl") == 0
    assert vertex.short_calls()[2:] == ["POST datasets/*:import", "PATCH datasets/*"]
    assert len(vertex.store.get(name)["labels"]) == 3


def test_an_import_that_fails_is_made_up_for(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    argv = ("dataset", "--display_name", "flowers")
    assert command(*argv) == 0
    vertex.fail_operation("datasets", 400, "File gs://petals/flowers.jsonl: line 3 is invalid.")
    capsys.readouterr()
    assert command(*argv, "--import", LIST) == 2
    assert "importing into the data set flowers: got" in capsys.readouterr().err
    assert command(*argv, "--import", LIST) == 0
    assert len(vertex.bodies("POST datasets/*:import")) == 2
    assert len(vertex.bodies("POST datasets")) == 1


def test_two_of_one_name_are_not_guessed_between(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: Capture
) -> None:
    for number in (7, 8):
        body = {"displayName": "flowers", "labels": {"managed_by": "petalstream"}}
        vertex.store.add(f"{cloud.parent}/datasets/{number}", body)
    assert command("dataset", "--display_name", "flowers") == 2
    assert "a name that only one has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--import", "flowers.jsonl"), "--import: got 'flowers.jsonl', expected a path on Cloud Storage"),
        (("--images", "gs://b"), "--images: got 'gs://b', expected --from_data_dir"),
        (("--from_data_dir", "data"), "--images: got None"),
        (("--label", "A=b"), "--label: got 'A=b'"),
    ],
)
def test_mistakes_with_data_sets(
    argv: tuple[str, ...], expected: str, vertex: VertexServer, command: Run, capsys: Capture
) -> None:
    assert command("dataset", "--display_name", "flowers", *argv) == 2
    assert expected in capsys.readouterr().err
    assert vertex.calls == []


def make_data(folder: Path, rows: list[dict[str, str]]) -> Path:
    """A data set's manifest and index, without its shards."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    counts = Counts(len(rows), len(rows), {})
    splits = {name: Split(name, 0, 0, {"daisy": 0, "roses": 0}, ()) for name in {row["split"] for row in rows}}
    variant = Variant("jpeg", ImageSpec("jpeg", "uint8"), dict(COMMON_FEATURES), splits)
    made = Manifest("flowers", ("daisy", "roses"), counts, {"jpeg": variant})
    (folder / "jpeg").mkdir(parents=True)
    (folder / layout.MANIFEST_NAME).write_text(manifest.to_json(made), encoding="utf-8")
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "jpeg" / "index.parquet")
    return folder


ROWS = [
    {"key": "daisy/1.jpg", "split": "train", "label": "daisy"},
    {"key": "roses/ü.jpg", "split": "validation", "label": "roses"},
    {"key": "roses/3.jpg", "split": "test", "label": "roses"},
]


def test_a_list_is_made_of_a_data_set_of_ours(tmp_path: Path, cloud: Cloud) -> None:
    path = tmp_path / "list.jsonl"
    assert image_lists.write(str(make_data(tmp_path / "data", ROWS)), "gs://b/photos", path, Buckets(cloud)) == 3
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[1] == {
        "imageGcsUri": "gs://b/photos/roses/ü.jpg",
        "classificationAnnotation": {"displayName": "roses"},
        "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "validation"},
    }
    uses = [line["dataItemResourceLabels"]["aiplatform.googleapis.com/ml_use"] for line in lines]
    assert uses == ["training", "validation", "test"]


def test_what_is_in_no_file_has_no_address(tmp_path: Path, cloud: Cloud) -> None:
    data_dir = make_data(tmp_path / "data", [{"key": "batch_1-7", "split": "train", "label": "daisy"}])
    with pytest.raises(ConfigError, match="--from_data_dir: got 'batch_1-7', expected records whose keys are files"):
        image_lists.write(str(data_dir), "gs://b", tmp_path / "list.jsonl", Buckets(cloud))


def test_a_data_set_without_an_index_is_refused(tmp_path: Path, cloud: Cloud) -> None:
    data_dir = make_data(tmp_path / "data", ROWS)
    (data_dir / "jpeg" / "index.parquet").unlink()
    with pytest.raises(DatasetError, match=r"jpeg/index\.parquet: it isn't there"):
        image_lists.write(str(data_dir), "gs://b", tmp_path / "list.jsonl", Buckets(cloud))
    for damaged in (b"", b"PAR1 and no more", b"[" * 100_000):
        (data_dir / "jpeg" / "index.parquet").write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"index\.parquet: can't be read: "):
            image_lists.write(str(data_dir), "gs://b", tmp_path / "list.jsonl", Buckets(cloud))
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, Any]] = [{**ROWS[0], "key": None}, {**ROWS[0], "key": 7}]
    for number, row in enumerate(rows):
        data_dir = make_data(tmp_path / f"rows-{number}", ROWS)
        parquet.write_table(pyarrow.Table.from_pylist([row]), data_dir / "jpeg" / "index.parquet")
        with pytest.raises(DatasetError, match=r"key, split or label are no texts, or not there"):
            image_lists.write(str(data_dir), "gs://b", tmp_path / "list.jsonl", Buckets(cloud))
    with pytest.raises(DatasetError, match=r"nowhere: no manifest\.json"):
        image_lists.write(str(tmp_path / "nowhere"), "gs://b", tmp_path / "list.jsonl", Buckets(cloud))


def test_the_dry_run_says_where_the_list_would_be(
    tmp_path: Path, vertex: VertexServer, command: Run, capsys: Capture
) -> None:
    data_dir = make_data(tmp_path / "data", ROWS)
    argv = ("--from_data_dir", data_dir, "--images", "gs://b/photos", "--staging_bucket", "gs://b/x", "--dry_run")
    assert command("dataset", "--display_name", "flowers", *argv) == 0
    out, err = capsys.readouterr()
    (uri,) = documents(out)[1]["importConfigs"][0]["gcsSource"]["uris"]
    assert uri.startswith("gs://b/x/lists/")
    assert f"# after a list is written to {uri}" in out
    assert err.startswith("3 photographs of ")
    assert vertex.calls == []


TRAIN = ("train", "--config", "cpu", "--package_uri", "gs://b/p.tar.gz", "--base_output_dir", "gs://b/out")


def start(command: Run, capsys: Capture, *options: str) -> str:
    assert command(*TRAIN, *options, "--", "--data_dir", "gs://b/d", "--model", "linear") == 0
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("form", ["full", "short", "number"])
def test_status_finds_a_job_by_any_of_its_names(form: str, vertex: VertexServer, command: Run, capsys: Capture) -> None:
    name = start(command, capsys, "--display_name", "petals")
    given = {"full": name, "short": "/".join(name.split("/")[-2:]), "number": name.rsplit("/", 1)[1]}[form]
    assert command("status", given) == 0
    shown = capsys.readouterr().out
    for words in ("petals", "pending", "created", "gs://b/out", "console.cloud.google.com"):
        assert words in shown
    assert command("status", given, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_status_of_a_failed_job_has_its_error(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    script(vertex).states = ("RUNNING", "FAILED")
    script(vertex).error = {"code": 8, "message": "Out of memory."}
    name = start(command, capsys)
    assert command("status", name, "--wait") == 1
    out, err = capsys.readouterr()
    assert "Out of memory." in out
    assert err.splitlines()[-1].startswith("error: the training job ")
    # Asked about it, that it failed is the answer, not a failure.
    assert command("status", name) == 0
    assert "Out of memory." in capsys.readouterr().out


def test_a_number_alone_is_looked_for_among_all_jobs(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: Capture
) -> None:
    vertex.store.add(f"{cloud.parent}/trainingPipelines/55", {"displayName": "p", "state": "PIPELINE_STATE_RUNNING"})
    assert command("status", "55") == 0
    assert "running" in capsys.readouterr().out
    kinds = ["customJobs", "hyperparameterTuningJobs", "trainingPipelines"]
    assert vertex.short_calls() == [f"GET {kind}/*" for kind in kinds]


def test_what_status_cannot_find(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    assert command("status", "4711") == 2
    assert "NAME: got '4711', expected the number of a job in europe-west4" in capsys.readouterr().err
    assert command("status", "petals") == 2
    assert "customJobs" in capsys.readouterr().err
    assert command("status", "customJobs/4711") == 2
    assert "looking at training job 4711" in capsys.readouterr().err
    vertex.fail("GET", "customJobs", 403, "Permission 'aiplatform.customJobs.get' denied.")
    assert command("status", "4711") == 2
    assert "aiplatform.customJobs.get" in capsys.readouterr().err
    assert command("status", "projects/p/locations/us-east1/customJobs/7") == 2
    assert "--region: got 'europe-west4', expected us-east1" in capsys.readouterr().err


def test_status_of_what_is_no_job(vertex: VertexServer, command: Run, capsys: Capture) -> None:
    assert command("tensorboard") == 0
    name = capsys.readouterr().out.strip()
    assert command("status", name) == 0
    assert "TensorBoard instance" in capsys.readouterr().out
    assert command("status", name, "--wait") == 2
    assert "--wait: got" in capsys.readouterr().err


def add_jobs(vertex: VertexServer, cloud: Cloud, count: int) -> None:
    for number in range(count):
        state = "JOB_STATE_FAILED" if number % 2 else "JOB_STATE_SUCCEEDED"
        body = {"displayName": f"job {number}", "state": state, "labels": {"managed_by": "petalstream"}}
        vertex.store.add(f"{cloud.parent}/customJobs/{number + 1000}", body)


def test_a_list_is_fetched_page_by_page_and_no_further(
    vertex: VertexServer, cloud: Cloud, command: Run, capsys: Capture
) -> None:
    add_jobs(vertex, cloud, 250)
    assert command("list", "jobs", "--limit", "150", "--format", "json") == 0
    out, err = capsys.readouterr()
    names = [json.loads(line)["displayName"] for line in out.splitlines()]
    assert names == [f"job {number}" for number in range(249, 99, -1)]
    assert "there are more: --limit 300" in err
    assert [call.query["pageSize"] for call in vertex.calls] == ["100", "100"]
    vertex.calls.clear()
    assert command("list", "jobs", "--limit", "250", "--format", "json") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 250
    assert err == ""


def test_a_list_is_filtered(vertex: VertexServer, cloud: Cloud, command: Run, capsys: Capture) -> None:
    add_jobs(vertex, cloud, 6)
    vertex.store.add(f"{cloud.parent}/customJobs/7", {"displayName": "theirs", "state": "JOB_STATE_FAILED"})
    assert command("list", "jobs", "--filter", 'state="JOB_STATE_FAILED"', "--ours") == 0
    shown = capsys.readouterr().out
    assert vertex.calls[0].query["filter"] == 'state="JOB_STATE_FAILED" AND labels.managed_by="petalstream"'
    assert [f"customJobs/{number}" in shown for number in (1001, 1003, 1005)] == [True] * 3
    assert "succeeded" not in shown
    assert "theirs" not in shown
    assert command("list", "jobs", "--filter", "nonsense") == 2
    assert "Invalid filter: nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "kind", ["jobs", "tuning", "pipelines", "datasets", "tensorboards", "models", "endpoints", "batch"]
)
def test_each_kind_can_be_listed(kind: str, vertex: VertexServer, command: Run, capsys: Capture) -> None:
    if not any(route.path.endswith(f"/{KINDS[kind].collection}") for route in vertex.routes):
        pytest.skip(f"the server has no {kind}")
    assert command("list", kind) == 0
    assert capsys.readouterr().out == f"no {KINDS[kind].what}\n"


def test_an_unknown_kind_is_named(command: Run, capsys: Capture) -> None:
    assert command("list", "job") == 2
    assert "expected one of" in capsys.readouterr().err
