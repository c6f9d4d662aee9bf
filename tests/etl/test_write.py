"""The ETL from Python, in this process, on small synthetic data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import etl
from etl import EtlConfig, SourceOptions, run, write_dataset
from etl.errors import ConfigError, run_main
from etl.format import manifest as manifests
from etl.format.manifest import Manifest
from etl.sources.synthetic import SyntheticOptions
from tests.photos import make_folder

OPTIONS = ["--num_images", "12", "--variants", "pixel", "--image_size", "16", "--seed", "3", "--splits", "train=1"]


def config(output: Path) -> EtlConfig:
    options = SyntheticOptions(num_images=12)
    return EtlConfig("synthetic", str(output), ("pixel",), (16, 16), seed=3, splits={"train": 1.0}, options=options)


def command(output: Path, *more: str) -> int:
    return run_main(run.main, ["--source", "synthetic", "--output", str(output), *OPTIONS, *more])


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made") / "data"


@pytest.fixture(scope="module")
def made(output: Path) -> Manifest:
    return write_dataset(config(output))


def test_the_manifest_is_that_of_the_data_set(made: Manifest, output: Path) -> None:
    assert made == manifests.load(output)
    assert made.counts.read == 12
    assert not list(output.glob(".building-*"))


def test_the_command_writes_the_same(made: Manifest, tmp_path: Path) -> None:
    assert command(tmp_path / "data") == 0
    same = manifests.load(tmp_path / "data")
    assert (same.fingerprint, same.config) == (made.fingerprint, made.config)


def test_an_output_that_holds_a_data_set_is_kept_without_overwrite(
    made: Manifest, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = "a folder without a data set; add {} to replace it once the new one is complete"
    with pytest.raises(ConfigError, match=f"^output: got '{output}', expected {expected.format('overwrite=True')}$"):
        write_dataset(config(output))
    assert command(output) == 2
    assert f"error: --output: got '{output}', expected {expected.format('--overwrite')}\n" in capsys.readouterr().err
    assert manifests.load(output) == made


def test_a_run_that_is_resumed_when_it_is_complete_changes_nothing(made: Manifest, output: Path) -> None:
    assert write_dataset(replace(config(output), resume=True)) == made


def test_a_wrong_field_is_named_before_anything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"^image_size: got None, .*; try image_size=224$") as caught:
        EtlConfig("synthetic", str(tmp_path / "data"), ("pixel",))
    assert caught.value.field == "image_size"
    arguments = ["--source", "synthetic", "--output", str(tmp_path / "data"), "--variants", "pixel"]
    assert run_main(run.main, arguments) == 2
    assert capsys.readouterr().err.startswith("error: --image_size: got None, ")
    with pytest.raises(ConfigError, match="^input: got None, expected "):
        write_dataset(EtlConfig("folder", str(tmp_path / "data")))
    with pytest.raises(ConfigError, match=r"^output: got 's3://bucket/data', expected a local path or gs://"):
        write_dataset(EtlConfig("folder", "s3://bucket/data"))
    assert not list(tmp_path.iterdir())


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "photos", 4)
    monkeypatch.chdir(tmp_path)
    options = SourceOptions(input="photos")
    made = write_dataset(EtlConfig("folder", "data", splits={"train": 1.0}, options=options))
    assert made.config["options"]["input"] == str(tmp_path / "photos")
    assert manifests.load(tmp_path / "data") == made


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'etl' has no attribute 'read_dataset'"):
        etl.read_dataset  # noqa: B018
    assert all(hasattr(etl, name) for name in etl.__all__)
