"""Inputs that change while a run goes on: what is written has the digest that it says, or the run ends."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import pytest

from etl import storage
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.plan.plan import Plan
from etl.plan.resume import job_digest
from etl.records import Unit
from etl.sources.options import SourceOptions
from etl.variants import network
from etl.work.unit import write_unit
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from tests.photos import jpeg, make_folder

__all__ = ["gcs", "gcs_server"]

ALL = {"all": 1.0}


def folder_config(folder: str, variant: str = "jpeg", **more: object) -> EtlConfig:
    size = None if variant == "jpeg" else (32, 32)
    options = SourceOptions(input=folder)
    return EtlConfig("folder", "out", (variant,), size, splits=ALL, options=options, num_threads=2, **more)  # type: ignore[arg-type]


def plan_units(config: EtlConfig, building: Path) -> list[Unit]:
    with Plan(config) as plan:
        plan.fill()
        units = list(plan.units(f"{building}/plan"))
    for unit, content in units:
        storage.write_atomically(unit.plan_path, content)
    return [unit for unit, _ in units]


def same_size(path: Path, number: int = 99) -> None:
    """Replaces a file by another image of its size, with its times."""
    status = path.stat()
    data = jpeg(number, 20, 20)
    assert len(data) < status.st_size
    path.write_bytes(data.ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "same size": (same_size, "has other bytes than when it was listed: it was changed"),
    "longer": (longer, "bytes when listed, now .*: it was changed"),
    "gone": (Path.unlink, "it was there when it was listed, and is gone now"),
    "a folder now": (into_a_folder, "it was there when it was listed, and is gone now"),
    "its folder is gone": (lambda path: shutil.rmtree(path.parent), "is gone now"),
}


@pytest.mark.parametrize("variant", ["jpeg", "pixel"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_before_it_is_written_ends_the_run(tmp_path: Path, variant: str, change: str) -> None:
    path = make_folder(tmp_path / "photos", 9) / "roses" / "0004.jpg"
    config = folder_config(str(tmp_path / "photos"), variant)
    (unit,) = plan_units(config, tmp_path / "out")
    assert write_unit(config, unit, str(tmp_path / "out")).num_examples == 9
    function, message = CHANGES[change]
    function(path)
    with pytest.raises(DatasetError, match=rf"roses/\d+\.jpg: .*{message}"):
        write_unit(config, unit, str(tmp_path / "out"))


def test_a_file_that_changes_before_sizes_are_sampled_ends_the_run(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "photos", 9) / "roses" / "0004.jpg"
    with Plan(folder_config(str(tmp_path / "photos"))) as plan:
        plan.fill()
        same_size(path)
        with pytest.raises(DatasetError, match=r"roses/0004\.jpg: has other bytes"):
            list(plan.shards("jpeg"))


def csv_folder(root: Path) -> EtlConfig:
    make_folder(root / "photos", 6)
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.jpg"))]
    (root / "list.csv").write_text("\n".join(rows) + "\n")
    (root / "labels.txt").write_text("daisy\nroses\ntulips\n")
    options = SourceOptions(input=str(root / "list.csv"), labels=str(root / "labels.txt"))
    return EtlConfig(source="csv", output="out", options=options, splits=ALL)


@pytest.mark.parametrize("name", ["list.csv", "labels.txt"])
def test_a_list_that_changes_between_its_readings_ends_the_run(tmp_path: Path, name: str) -> None:
    config = csv_folder(tmp_path)
    with Plan(config) as plan:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("daisy", "poppy"))
        with pytest.raises(DatasetError, match=rf"{name}: it was changed while it was read"):
            plan.fill()
    with Plan(config) as plan:
        plan.fill()


def test_a_list_that_comes_after_the_first_reading_ends_the_run(tmp_path: Path) -> None:
    config = csv_folder(tmp_path)
    config = replace(config, options=replace(config.options, input=str(tmp_path / "*.csv")))
    with Plan(config) as plan:
        shutil.copy(tmp_path / "list.csv", tmp_path / "more.csv")
        with pytest.raises(DatasetError, match=r"more\.csv: it was changed while it was read"):
            plan.fill()


def job(config: EtlConfig) -> str:
    with Plan(config) as plan:
        plan.fill()
        return job_digest(config, plan.class_names, (content for _, content in plan.units("")))


def test_a_run_is_resumed_only_with_the_inputs_that_it_began_with(tmp_path: Path) -> None:
    config = csv_folder(tmp_path)
    before = job(config)
    assert job(config) == before
    path = tmp_path / "photos" / "roses" / "0004.jpg"
    same_size(path)
    changed = job(config)
    assert changed != before
    # A class without an image changes no shard, and yet the data set.
    (tmp_path / "labels.txt").write_text("daisy\nroses\ntulips\npoppy\n")
    assert job(config) != changed


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of weights, as large as each other."""
    paths = tmp_path_factory.mktemp("weights") / "one.weights.h5", tmp_path_factory.mktemp("weights") / "two.weights.h5"
    for seed, path in enumerate(paths):
        keras.utils.set_random_seed(seed)
        model = keras.applications.MobileNetV2((224, 224, 3), 0.35, include_top=False, weights=None, pooling="avg")
        model.save_weights(path)
    return paths


def test_other_weights_of_the_same_name_are_another_job_and_another_network(
    tmp_path: Path, weights: tuple[Path, Path]
) -> None:
    make_folder(tmp_path / "photos", 3)
    path = tmp_path / "now.weights.h5"
    shutil.copy(weights[0], path)
    config = folder_config(str(tmp_path / "photos"), "embedding", embedding_weights=str(path), embedding_alpha=0.35)
    before, digest = job(config), network.load(str(path), 0.35).weights_digest
    assert network.load(str(path), 0.35).weights_digest == digest
    shutil.copy(weights[1], path)
    assert job(config) != before
    # Also in a process that has the other network at hand.
    assert network.load(str(path), 0.35).weights_digest != digest


def test_an_object_that_is_replaced_before_it_is_written_ends_the_run(tmp_path: Path, gcs: Gcs) -> None:
    gcs.upload(make_folder(tmp_path / "photos", 9), "in/")
    config = folder_config(gcs.path("in"))
    (unit,) = plan_units(config, tmp_path / "out")
    path = gcs.path("in/roses/0004.jpg")
    data = storage.read_bytes(path)
    storage.write_atomically(path, jpeg(99, 20, 20).ljust(len(data), b"\0"))
    with pytest.raises(DatasetError, match=r"gs://.*/roses/0004\.jpg: has other bytes"):
        write_unit(config, unit, str(tmp_path / "out"))
    storage.write_atomically(path, data)
    assert write_unit(config, unit, str(tmp_path / "out")).num_examples == 9
