"""The command as its users see it, on a tiny data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from etl.errors import ConfigError, DatasetError, run_main
from etl.format import layout, schema
from etl.format import manifest as manifests
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Variant
from etl.format.tfrecord import RecordWriter, frame_record
from tests.datasets import write_dataset
from trainer.doctor import command

# As little as a rate can be made of.
QUICK = ("--seconds", "0.05", "--batch_size", "4")

Examine = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    write_dataset(path)
    return path


@pytest.fixture
def examine(folder: Path, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Runs the command with JSON output, and returns that."""

    def run(*flags: str, data_dir: Path = folder) -> dict[str, Any]:
        assert run_main(command.main, [str(data_dir), *QUICK, "--format", "json", *flags]) == 0
        content: dict[str, Any] = json.loads(capsys.readouterr().out)
        return content

    return run


def test_a_training_on_jpegs_is_examined_whole(folder: Path, examine: Examine) -> None:
    found = examine("--model", "linear", "--image_size", "32x48")
    assert (found["data"]["variant"], found["data"]["image_size"]) == ("jpeg", [32, 48])
    assert found["data"]["is_windowed"]
    assert set(found["stages"]) == {"read", "parse", "decode", "augment", "step"}
    for rate in [*found["stages"].values(), found["pipeline"], found["bare_copy"], found["bare_decode"]]:
        assert 0 < rate["slowest"] <= rate["median"] <= rate["fastest"]
    assert "CPU" in found["notes"]["transfer"]
    assert [accelerator["name"] for accelerator in found["accelerators"]][:3] == ["v100", "a100", "h100"]
    assert found["limit"] == "bare decode"
    assert found["limit_share"] == pytest.approx(found["pipeline"]["median"] / found["bare_decode"]["median"])
    assert sum(found["host_shares"].values()) == pytest.approx(1)
    kinds = {alternative["kind"]: alternative for alternative in found["alternatives"]}
    assert kinds["variant"]["name"] == "pixel"
    assert not kinds["variant"]["is_windowed"]
    training = found["training"]
    assert len(training["waits"]) == len(training["steps"]) >= 8
    waited = sum(training["waits"]) / (sum(training["waits"]) + sum(training["steps"]))
    assert training["wait_share"] == pytest.approx(waited)
    assert found["binds"] == ("step" if waited < 0.05 else found["slowest_input"])
    assert len(found["verdict"]) >= 3
    assert found["plot"] == f"{folder}/doctor.png"
    with Image.open(folder / "doctor.png") as picture:
        assert (picture.format, picture.width) == ("PNG", 1200)


def test_pixels_are_taken_as_they_are_stored(tmp_path: Path, examine: Examine) -> None:
    plot = tmp_path / "pixel.png"
    found = examine("--variant", "pixel", "--no-training", "--accelerator", "1000000000", "--plot", str(plot))
    assert (found["data"]["image_size"], found["data"]["is_batchwise"]) == ([32, 48], True)
    assert set(found["stages"]) == {"read", "parse", "decode"}
    assert found["notes"]["augment"] == "only in training"
    assert (found["limit"], found["bare_decode"]) == ("bare read and copy", None)
    (accelerator,) = found["accelerators"]
    rate = found["pipeline"]["median"]
    assert (accelerator["hosts"] - 1) * rate < 1_000_000_000 <= accelerator["hosts"] * rate
    assert plot.stat().st_size > 1000


def test_embeddings_have_nothing_to_decode(examine: Examine) -> None:
    found = examine("--variant", "embedding", "--threads", "1")
    assert set(found["stages"]) == {"read", "parse"}
    assert found["data"]["image_size"] is None
    assert "what the model takes" in found["notes"]["decode"]
    assert found["machine"]["num_threads"] == 1
    # What they train on is images.
    assert found["accelerators"] == []


def test_people_get_tables_and_a_line_a_measurement(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(command.main, [str(folder), *QUICK, "--image_size", "24", "--accelerator", "a100"]) == 0
    output, progress = capsys.readouterr()
    for words in ("jpeg/train at 24", "whole pipeline", "bare decode", "binds the input", "a100", "doctor.png"):
        assert words in output
    assert "h100" not in output
    assert "MLPerf" in output
    assert "--variant takes pixel, embedding too" in output
    lines = progress.splitlines()
    assert lines[0] == "measuring read"
    assert all(line.startswith("measuring ") for line in lines)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--variant", "audio"), "--variant: got 'audio', expected one of jpeg, pixel, embedding"),
        (("--split", "tarin"), "split: got 'tarin', expected one of train, validation, test"),
        (("--model", "resnet"), "--model: got 'resnet', expected one of linear"),
        (("--accelerator", "k80"), "--accelerator: got 'k80', expected one of v100"),
        (("--image_size", "big"), "--image_size: got 'big', expected whole pixels"),
        (("--seconds", "0"), "--seconds: got '0', expected seconds from 0.05 to 600"),
        (("--threads", "0"), "--threads: got '0', expected threads, 1 or more"),
        (("--batch_size", "0"), "--batch_size: got '0', expected images, 1 or more"),
        (("--format", "xml"), "--format: got 'xml', expected one of"),
        (("--plto", "x.png"), "did you mean --plot"),
        (("--plot", "/no/such/folder/x.png"), "--plot: got '/no/such/folder/x.png', expected a file in a folder"),
        (("--variant", "embedding", "--image_size", "224"), "image_size: got .*expected None"),
        (
            ("--variant", "embedding", "--model", "linear"),
            "--model: got 'linear', expected one that takes what the variant embedding holds",
        ),
    ],
)
def test_mistakes_are_said_in_one_line(flags: tuple[str, ...], message: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        command.main([str(folder), *flags])


def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"DIR: got '.*missing', expected the folder of a data set"):
        command.main([str(tmp_path / "missing")])
    with pytest.raises(DatasetError, match=r"no manifest.json, so no complete data set"):
        command.main([str(tmp_path)])
    with pytest.raises(ConfigError, match=r"data_dir: got None, expected a value|DIR"):
        command.main([])


def test_damage_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path, variants=("pixel",))
    shard = next((tmp_path / "pixel").glob("train-00001*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a record of pixel/train can't be read: .*etl.inspect says which"):
        command.main([str(tmp_path), *QUICK])
    shard.unlink()
    with pytest.raises(DatasetError, match=r"train-00001-of-00003.tfrecord is missing"):
        command.main([str(tmp_path), *QUICK])


def test_what_to_change_is_tried_on_the_images_themselves(real_data: Path, tmp_path: Path, examine: Examine) -> None:
    write_photographs(tmp_path, sorted((real_data / "flower_photos" / "daisy").glob("*.jpg"))[:50])
    found = examine("--image_size", "96", data_dir=tmp_path)
    assert found["data"]["num_examples"] == 50
    kinds = {alternative["kind"]: alternative for alternative in found["alternatives"]}
    assert kinds["smaller_jpeg"]["size"] == [110, 110]
    assert kinds["smaller_jpeg"]["is_windowed"]
    assert kinds["pixels"]["size"] == [96, 96]


def write_photographs(folder: Path, files: list[Path]) -> None:
    """Writes a data set of JPEGs as they are."""
    name = "train-00000-of-00001.tfrecord"
    (folder / "jpeg").mkdir()
    with (folder / "jpeg" / name).open("wb") as stream:
        writer = RecordWriter(stream)
        for path in files:
            with Image.open(path) as image:
                shape = (image.height, image.width, 3)
            example = {"image": path.read_bytes(), "key": path.name, "label": "daisy", "label_int": 0, "shape": shape}
            writer.write(frame_record(schema.encode_example({**example, "digest": "0" * 32})))
        num_bytes, sha256 = writer.finish()
    shard = Shard(name, len(files), num_bytes, sha256)
    split = Split("train", len(files), num_bytes, {"daisy": len(files)}, (shard,))
    features = {"image": FeatureSpec("bytes"), **schema.COMMON_FEATURES}
    variant = Variant("jpeg", ImageSpec("jpeg", "uint8"), features, {"train": split})
    made = Manifest("daisies", ("daisy",), Counts(len(files), len(files), {}), {"jpeg": variant})
    (folder / layout.MANIFEST_NAME).write_text(manifests.to_json(made), encoding="utf-8")
