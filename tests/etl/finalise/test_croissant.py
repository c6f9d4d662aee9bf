"""`croissant.json`, read by MLCommons' own package; those tests skip without it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from etl import run
from etl.errors import run_main
from etl.finalise import croissant
from etl.format import manifest as manifests
from etl.format.features import ImageSpec
from etl.format.index import IndexFile
from etl.format.manifest import Counts, Manifest, Split, Variant
from tests.photos import make_folder


def etl(folder: Path, output: Path, *more: str) -> Path:
    arguments = ["--source", "folder", "--input", str(folder), "--output", str(output), *more]
    assert run_main(run.main, arguments) == 0
    return output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("photos"), 40)
    options = ["--variants", "jpeg,pixel", "--image_size", "16", "--shard_mb", "0.02"]
    return etl(folder, tmp_path_factory.mktemp("out"), *options)


@pytest.fixture(scope="module")
def mlc() -> Any:
    return pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")


def described(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "croissant.json").read_text())
    return content


def test_every_file_is_listed_with_its_size_and_digest(made: Path) -> None:
    files = described(made)["distribution"]
    for file in files:
        data = (made / file["contentUrl"]).read_bytes()
        assert file["contentSize"] == f"{len(data)} B"
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
    shards = {str(path.relative_to(made)) for path in made.glob("*/*.tfrecord")}
    assert {file["contentUrl"] for file in files} == shards | {"jpeg/index.parquet", "pixel/index.parquet"}
    assert len(shards) > 6


def test_it_is_valid(made: Path, mlc: Any) -> None:
    metadata = mlc.Dataset(made / "croissant.json").metadata
    assert metadata.ctx.is_v1_1()
    assert not metadata.ctx.issues.errors
    # What nobody can know of a folder of one's own.
    assert len(metadata.ctx.issues.warnings) == 2
    assert metadata.version.startswith(f"1.0.0+{manifests.load(made).fingerprint[:12]}")


@pytest.mark.parametrize("variant", ["jpeg", "pixel"])
def test_its_records_are_the_rows_of_the_index(made: Path, mlc: Any, variant: str) -> None:
    rows = pq.read_table(made / variant / "index.parquet").to_pylist()
    records = list(mlc.Dataset(made / "croissant.json").records(variant))
    expected = [
        {f"{variant}/{name}": value.encode() if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    ]
    assert records == expected
    assert len(records) == 40


def test_splits_and_classes_are_record_sets_too(made: Path, mlc: Any) -> None:
    dataset = mlc.Dataset(made / "croissant.json")
    assert [record["splits/name"] for record in dataset.records("splits")] == ["train", "validation", "test"]
    assert [record["classes/name"] for record in dataset.records("classes")] == ["daisy", "roses", "tulips"]


def test_compressed_shards_are_described_too(tmp_path: Path, mlc: Any) -> None:
    folder = make_folder(tmp_path / "photos", 6)
    output = etl(folder, tmp_path / "out", "--splits", "train=1", "--compression", "gzip")
    assert len(list(mlc.Dataset(output / "croissant.json").records("jpeg"))) == 6
    (shard,) = [file for file in described(output)["distribution"] if file["name"].endswith(".gz")]
    assert "application/gzip" in shard["encodingFormat"]


def manifest_of(dataset: str, class_names: tuple[str, ...] = ()) -> Manifest:
    splits = {"train": Split("train", 0, 0, {}, ())}
    variant = Variant("jpeg", ImageSpec("jpeg", "uint8"), {}, splits)
    run_facts = {"started": "2026-01-31T23:00:00+00:00"}
    return Manifest(dataset, class_names, Counts(0, 0, {}), {"jpeg": variant}, run=run_facts)


@pytest.mark.parametrize(("dataset", "num_warnings"), [("flowers", 0), ("pets", 0), ("cifar10", 1), ("csv", 2)])
def test_public_data_sets_name_their_origin(mlc: Any, dataset: str, num_warnings: int) -> None:
    content = croissant.describe(manifest_of(dataset, ("é", "b\n")), {"jpeg": IndexFile(1, "0" * 64)})
    metadata = mlc.Dataset(content).metadata
    assert len(metadata.ctx.issues.warnings) == num_warnings
    assert not metadata.ctx.issues.errors
    assert str(metadata.date_published).startswith("2026-01-31")


def test_without_classes_nothing_refers_to_them(mlc: Any) -> None:
    content = croissant.describe(manifest_of("csv"), {"jpeg": IndexFile(1, "0" * 64)})
    assert not mlc.Dataset(content).metadata.ctx.issues.errors
    assert [record_set["@id"] for record_set in content["recordSet"]] == ["splits", "jpeg"]
