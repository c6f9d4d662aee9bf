"""Data that is damaged in the middle of a run: the shard is named, and what was trained is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.trainer.conftest import Train
from trainer import layout
from trainer.training.optional_files import IncompleteRunError, OptionalFiles


@pytest.fixture
def own_data(data_dir: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to be damaged."""
    return Path(shutil.copytree(data_dir, tmp_path / "data"))


def shard(folder: Path, split: str, variant: str) -> Path:
    return folder / variant / f"{split}-00000-of-00001.tfrecord"


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file; again, and it is as before."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def weights(folder: Path) -> list[np.ndarray]:
    model = keras.saving.load_model(folder / layout.KERAS_NAME)
    arrays: list[np.ndarray] = model.get_weights()
    return arrays


def assert_same_run(one: Path, other: Path) -> None:
    for array, same in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(array, same)
    histories = [json.loads((folder / layout.HISTORY_NAME).read_text(encoding="utf-8")) for folder in (one, other)]
    for name in ("epoch", "loss", "val_loss", "val_accuracy"):
        assert histories[0][name] == histories[1][name]
    assert (one / layout.EVALUATION_NAME).read_bytes() == (other / layout.EVALUATION_NAME).read_bytes()


def test_a_damaged_test_split_costs_no_model_and_resume_makes_the_rest(
    own_data: Path, run_dir: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = shard(own_data, "test", "pixel"), tmp_path / "out"
    flip(path)
    assert train(folder, data_dir=own_data) == 1
    warning, error = capsys.readouterr().err.splitlines()[-2:]
    assert warning.startswith(
        f"warning: no evaluation.json: {own_data}: pixel/test can't be read: record 5 of {path.name}: "
    )
    assert f"python -m etl.inspect {own_data} checks every shard" in warning
    assert error.startswith(f"error: {folder}/model: the model is complete, but without evaluation.json")
    assert (folder / layout.MODEL_NAME / layout.SAVED_MODEL_FILE).exists()
    assert not (folder / layout.EVALUATION_NAME).exists()
    flip(path)
    assert train(folder, "--resume", data_dir=own_data) == 0
    assert_same_run(folder, run_dir)
    assert train(folder, "--resume", data_dir=own_data) == 0
    assert "finished already" in capsys.readouterr().err


def test_a_damaged_validation_split_costs_no_epoch(
    own_data: Path, run_dir: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = shard(own_data, "validation", "pixel"), tmp_path / "out"
    flip(path)
    assert train(folder, data_dir=own_data) == 1
    assert f"error: {own_data}: pixel/validation can't be read: record 7 of {path.name}: " in capsys.readouterr().err
    # Not reached by a second attempt either, which has trained nothing once more.
    kept = (folder / layout.CHECKPOINT_NAME / "latest.json").read_bytes()
    assert json.loads(kept)["facts"]["step"] == 5
    assert train(folder, "--resume", data_dir=own_data) == 1
    # What belongs to another run stays, and is said.
    for flags, message in {
        ("--seed", "2"): "(with --seed 1, not 2); choose another folder, or delete that one to begin anew",
        ("--model", "cnn"): "(with --model linear, not cnn, ",
        (
            "--model",
            "cnn",
            "--resume",
        ): "--model: got 'cnn', expected linear, as in the backup; give the same; or choose",
    }.items():
        capsys.readouterr()
        assert train(folder, *flags, data_dir=own_data) == 2
        assert message.replace("(", f"({folder}/backup, ") in capsys.readouterr().err
    flip(path)
    assert train(folder, "--resume", data_dir=own_data) == 0
    assert_same_run(folder, run_dir)


@pytest.mark.parametrize("damage", ["flipped", "replaced", "cut", "emptied"])
def test_a_damaged_training_split_is_named(
    own_data: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path, folder = shard(own_data, "train", "jpeg"), tmp_path / "out"
    flags = ("--image_size", "8")
    if damage == "flipped":
        flip(path)
    elif damage == "replaced":
        # Another variant's records, whole: their checksums hold, but they are no JPEG.
        path.write_bytes(shard(own_data, "train", "pixel").read_bytes())
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "emptied" else -9])
    manifest = own_data / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    # As if it had changed after the check of its size.
    content["variants"]["jpeg"]["splits"]["train"]["shards"][0]["num_bytes"] = path.stat().st_size
    del content["fingerprint"]
    manifest.write_text(json.dumps(content), encoding="utf-8")
    assert train(folder, *flags, data_dir=own_data, variant="jpeg") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    if damage == "emptied":
        assert error.startswith(f"error: {own_data}: jpeg/train holds 0 examples, and the manifest says 36; python -m")
    else:
        assert error.startswith(f"error: {own_data}: jpeg/train can't be read: record ")
        assert f" of {path.name}: " in error
    assert "--resume goes on" in error


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_image_of_a_managed_data_set_is_named(
    photo_files: dict[str, list[Path]], train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo_files[split][0].read_bytes()[:300])
    lines = []
    for name, files in photo_files.items():
        use = {"train": "training"}.get(name, name)
        for path in files:
            image = broken if path == photo_files[split][0] else path
            label = {"displayName": path.parent.name}
            labels = {"aiplatform.googleapis.com/ml_use": use}
            lines.append(
                {"imageGcsUri": str(image), "classificationAnnotation": label, "dataItemResourceLabels": labels}
            )
    listed = tmp_path / "all.jsonl"
    listed.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    folder = tmp_path / "out"
    assert train(folder, "--image_size", "8", data_dir=listed, variant="reference") == 1
    printed = capsys.readouterr().err
    assert f"{listed}: reference/{split} can't be read: the image {broken}: " in printed
    assert "replace it, and the same command with --resume goes on" in printed
    assert (folder / layout.MODEL_NAME).exists() == (split == "test")


def test_a_picture_that_fails_costs_itself_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optional_files = OptionalFiles(tmp_path)
    with optional_files.attempting("one.png"):
        (tmp_path / "one.png").write_bytes(b"half")
        raise KeyError("a bug")
    with optional_files.attempting("two.png"):
        (tmp_path / "two.png").write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["two.png"]
    assert capsys.readouterr().err == "warning: no one.png: KeyError: 'a bug'\n"
    with pytest.raises(IncompleteRunError, match=r"out/model: the model is complete, but without one\.png"):
        optional_files.check("out/model")


def test_whoever_ends_a_run_ends_it_in_a_picture_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="now"), OptionalFiles(tmp_path).attempting("one.png"):
        raise KeyboardInterrupt("now")
