"""The trainer's command line, from a data set to what it leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from etl.format import manifest
from tests.trainer.conftest import CLASS_NAMES, NUM_EXAMPLES, Run, Train
from tests.trainer.training.test_tensorboard import marked_steps
from tests.trainer.training.test_tensorboard import read as read_board
from trainer import layout
from trainer.serving.served_model import ServedModel


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


# What a classifier leaves.
LEFT = sorted({*layout.FILES, layout.MODEL_NAME} - {layout.COLOURS_NAME})


def test_everything_is_there_and_nothing_else(run_dir: Path) -> None:
    assert sorted(path.name for path in run_dir.iterdir()) == LEFT
    assert Image.open(run_dir / layout.CURVES_NAME).format == "PNG"


def test_history_has_a_value_for_each_epoch(run_dir: Path) -> None:
    history = read(run_dir, layout.HISTORY_NAME)
    assert history["epoch"] == [1, 2]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second"):
        assert len(history[name]) == 2
        assert all(value >= 0 for value in history[name])
    assert history["loss"][1] < history["loss"][0]


def test_the_evaluation_is_what_the_exported_model_says_of_the_files(
    run_dir: Path, served_model: ServedModel, data_dir: Path, photo_files: dict[str, list[Path]]
) -> None:
    evaluation = read(run_dir, layout.EVALUATION_NAME)
    answers = served_model([path.read_bytes() for path in photo_files["test"]])
    labels = [CLASS_NAMES.index(path.parent.name) for path in photo_files["test"]]
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (labels, answers["class_int"]), 1)
    assert evaluation["confusion_matrix"] == confusion.tolist()
    assert evaluation["accuracy"] == np.mean(answers["class_int"] == labels)
    assert evaluation["split"] == "test"
    assert evaluation["num_examples"] == NUM_EXAMPLES["test"]
    assert {name: entry["num_examples"] for name, entry in evaluation["classes"].items()} == dict.fromkeys(
        CLASS_NAMES, 3
    )
    assert evaluation["loss"] > 0
    assert evaluation["fingerprint"] == manifest.load(data_dir).fingerprint


def test_each_test_example_has_its_prediction_under_its_key(
    run_dir: Path, served_model: ServedModel, photo_files: dict[str, list[Path]]
) -> None:
    lines = (run_dir / layout.PREDICTIONS_NAME).read_text(encoding="utf-8").splitlines()
    answers = served_model([path.read_bytes() for path in photo_files["test"]])
    for line, path, index, probability in zip(
        lines, photo_files["test"], answers["class_int"], answers["probability"], strict=True
    ):
        label = path.parent.name
        assert json.loads(line) == {
            "key": f"{label}/{path.name}",
            "label": label,
            "predicted": CLASS_NAMES[index],
            "probability": pytest.approx(probability, abs=1e-6),
        }


def test_keras_loads_the_model_after_one_import(run_dir: Path) -> None:
    section = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(import keras\n\nimport trainer\.layers.+?)```", section, re.DOTALL)
    assert found is not None
    program = found[1].replace("runs/one", str(run_dir)) + "print(model.output_shape)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert ended.stdout == "(None, 3)\n", ended.stderr


def test_the_configuration_is_resolved_and_makes_the_same_model_again(
    run_dir: Path, data_dir: Path, tmp_path: Path
) -> None:
    from trainer import task

    config = yaml.safe_load((run_dir / layout.CONFIG_NAME).read_text(encoding="utf-8"))
    assert config["model"] == "linear"
    assert config["image_size"] == "20x30"
    assert (config["seed"], config["num_epochs"], config["batch_size"], config["lrate"]) == (1, 2, 8, 0.001)
    assert (config["l1"], config["l2"]) == (0.0, 0.0)
    resolved = config["resolved"]
    assert resolved["fingerprint"] == manifest.load(data_dir).fingerprint
    assert resolved["class_names"] == list(CLASS_NAMES)
    assert resolved["num_examples"] == NUM_EXAMPLES
    assert resolved["resize"] == "crop"
    assert {"petalstream", "tensorflow", "keras"} <= set(resolved["software"])

    again = tmp_path / "again"
    assert task.main(["--config", str(run_dir / layout.CONFIG_NAME), "--output_dir", str(again)]) == 0
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert read(again, layout.HISTORY_NAME)[name] == read(run_dir, layout.HISTORY_NAME)[name]
    assert read(again, layout.EVALUATION_NAME) == read(run_dir, layout.EVALUATION_NAME)


def test_without_the_splits_for_it_nothing_is_chosen_or_evaluated(
    train: Train, without_splits: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert train(folder, data_dir=without_splits("validation", "test")) == 0
    printed = capsys.readouterr()
    assert "no validation split: the last epoch's model is kept" in printed.err
    assert "no test split: not evaluated, there will be no evaluation.json" in printed.err
    assert "no such split: not evaluated" in printed.out
    learnt, measured = {"epoch", "loss", "accuracy"}, {"lrate", "seconds", "images_per_second", "input_wait_share"}
    assert set(read(folder, layout.HISTORY_NAME)) == learnt | measured
    assert not (folder / layout.EVALUATION_NAME).exists()
    description = json.loads((folder / "model" / "assets.extra" / "petalstream.json").read_text(encoding="utf-8"))
    assert description["best_epoch"] == 2


def test_a_model_is_replaced_only_when_asked(
    run_dir: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(run_dir, folder)
    assert train(folder, "--num_epochs", "3") == 2
    assert "error: --output_dir: got" in capsys.readouterr().err
    assert read(folder, layout.HISTORY_NAME) == read(run_dir, layout.HISTORY_NAME)
    assert train(folder, "--num_epochs", "3", "--overwrite") == 0
    assert read(folder, layout.HISTORY_NAME)["epoch"] == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == LEFT


def test_training_that_diverges_fails_and_leaves_no_model(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--lrate", "1e38", "--lrate_decay", "none", "--l2", "1e30") == 1
    assert "error: the training diverged: loss is" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_behind_a_step_of_which_there_is_a_checkpoint(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latest = tmp_path / layout.CHECKPOINT_NAME / "latest.json"
    has_ended = threading.Event()

    def interrupt() -> None:
        while not has_ended.wait(0.01):
            if latest.exists():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        code = train(tmp_path, "--num_epochs", "10000", "--backup_steps", "3")
    finally:
        has_ended.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    step = json.loads(latest.read_text(encoding="utf-8"))["facts"]["step"]
    line = f"error: told to stop after step {step}; the same command with --resume goes on from there"
    assert (code, capsys.readouterr().err.splitlines()[-1]) == (130, line)


def test_the_closing_tables_say_what_was_done(run: Run) -> None:
    assert "epoch 1/2: loss" in run.err
    assert "epoch 2/2: loss" in run.err
    for text in ("linear, 5,403 parameters", "36 train, 12 validation, 9 test", "2 of 2", *CLASS_NAMES):
        assert text in run.out
    for name in LEFT:
        assert str(run.folder / name) in run.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num_epochs", "abc"], "--num_epochs: got 'abc', expected a whole number"),
        (["--model", "resnet"], "--model: got 'resnet', expected one of"),
        (["--variant", "embedding"], "--variant: got 'embedding', expected one of jpeg, pixel"),
        (["--variant", "jpeg"], "--image_size: got None, expected a size"),
        (["--resize", "pad"], "--resize: got 'pad', expected no other way of resizing"),
        (["--data_dir", "nowhere"], "--data_dir: got 'nowhere', expected the folder of a data set"),
    ],
)
def test_the_operators_mistakes_end_with_one_line_and_code_2(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert train(tmp_path / "out", *flags) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {message}")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


def test_without_a_training_split_there_is_nothing_to_do(
    train: Train, without_splits: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "out", data_dir=without_splits("train")) == 2
    assert "error: split: got 'train', expected" in capsys.readouterr().err


def test_virtual_epochs_end_where_they_are_told_to(train: Train, tmp_path: Path) -> None:
    # 36 examples in batches of 8 are five steps; three virtual epochs of 20 are nine.
    assert train(tmp_path, "--num_epochs", "3", "--num_training_examples", "20", "--steps_per_execution", "2") == 0
    history = read(tmp_path, layout.HISTORY_NAME)
    assert history["epoch"] == [1, 2, 3]
    resolved = yaml.safe_load((tmp_path / layout.CONFIG_NAME).read_text(encoding="utf-8"))
    assert (resolved["num_training_examples"], resolved["steps_per_execution"]) == (20, 2)


def test_another_run_goes_on_from_a_models_weights(run_dir: Path, train: Train, tmp_path: Path) -> None:
    assert train(tmp_path, "--init_from", str(run_dir), "--num_epochs", "1", "--lrate", "1e-30") == 0
    one, other = (keras.saving.load_model(folder / layout.KERAS_NAME) for folder in (run_dir, tmp_path))
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_finished_run_goes_on_with_more_epochs(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--lrate_decay", "none")
    long, short = tmp_path / "long", tmp_path / "short"
    assert train(long, *flags, "--num_epochs", "4") == 0
    assert train(short, *flags) == 0
    capsys.readouterr()
    assert train(short, *flags, "--num_epochs", "4", "--resume") == 0
    assert "going on at step 10, 2 of 4 epochs; it was to end after 2\n" in capsys.readouterr().err
    for name in ("epoch", "loss", "val_loss", "val_accuracy", "lrate"):
        assert read(long, layout.HISTORY_NAME)[name] == read(short, layout.HISTORY_NAME)[name]
    one, other = (keras.saving.load_model(folder / layout.KERAS_NAME).get_weights() for folder in (long, short))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    # Fewer are none at all, and another learning rate is another run.
    assert train(short, *flags, "--num_epochs", "3", "--resume") == 0
    assert "finished already" in capsys.readouterr().err
    assert train(short, *flags, "--num_epochs", "5", "--lrate", "0.5", "--resume") == 2
    assert "--lrate: got 0.5, expected 0.001, as in the backup" in capsys.readouterr().err


def test_a_flag_of_the_file_is_blamed_on_it_wherever_it_is_found_wrong(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from etl.errors import run_main
    from trainer import task

    file = tmp_path / "run.yaml"
    file.write_text(f"data_dir: {data_dir}\nvariant: embedding\n", encoding="utf-8")
    assert run_main(task.main, ["--config", str(file), "--output_dir", str(tmp_path / "out")]) == 2
    assert f"--variant: got 'embedding', expected one of jpeg, pixel; it stands in {file}" in capsys.readouterr().err


def test_the_tuner_gets_a_line_an_epoch(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(tmp_path / "metrics"))
    assert train(tmp_path / "out") == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics").read_text(encoding="utf-8").splitlines()]
    history = read(tmp_path / "out", layout.HISTORY_NAME)
    assert [float(line["accuracy"]) for line in lines] == history["val_accuracy"]
    assert [line["global_step"] for line in lines] == ["1", "2"]


def test_event_files_are_written_where_asked(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--tensorboard", "--profile_steps", "3,5") == 0
    board = tmp_path / layout.TENSORBOARD_NAME
    assert {path.parent.name for path in board.rglob("events.out.tfevents.*")} == {"train", "validation", "test"}
    assert f"tensorboard --logdir {board}" in capsys.readouterr().err
    # Five batches an epoch, and two epochs.
    assert list(read_board(board / "train", "scalars")["step/loss"]) == list(range(1, 11))
    assert marked_steps(board) == [3, 4, 5]
    (profile,) = board.rglob("*.xplane.pb")
    assert b"while" not in profile.read_bytes().lower()


def test_a_colorizer_leaves_a_grid_and_a_model_that_gives_pngs(train: Train, tmp_path: Path) -> None:
    flags = ("--model", "colorizer_unet", "--image_size", "16", "--num_epochs", "1", "--lrate", "0.0002")
    assert train(tmp_path, *flags, variant="jpeg") == 0
    evaluation = read(tmp_path, layout.EVALUATION_NAME)
    assert 0 < evaluation["mse"] < 4
    assert evaluation["num_examples"] == NUM_EXAMPLES["test"]
    assert Image.open(tmp_path / layout.COLOURS_NAME).format == "PNG"
    assert not (tmp_path / "confusion.png").exists()
