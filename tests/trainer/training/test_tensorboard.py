"""The event files for TensorBoard, read back."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer.layers import RandomColorDistortion, RandomCropOrCenter, RandomFlip, ToFloat
from trainer.training.tensorboard import Board, augment, count_buckets, describe


def read_events(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            yield tf.compat.v1.Event.FromString(record.numpy())


def read(folder: Path, plugin: str) -> dict[str, dict[int, np.ndarray]]:
    """By tag and step, what one of TensorBoard's views finds."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for event in read_events(folder):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == plugin:
                found.setdefault(value.tag, {})[event.step] = tf.make_ndarray(value.tensor)
    return found


@pytest.fixture(scope="module")
def model() -> keras.Model:
    images = x = keras.Input((8, 10, 3), dtype="uint8")
    for layer in (
        RandomCropOrCenter(6, 8, seed=1),
        RandomFlip(seed=2),
        ToFloat(-1.0, 1.0),
        RandomColorDistortion(low=-1.0, high=1.0, seed=3),
        keras.layers.Conv2D(2, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=4),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax", name="answer"),
    ):
        x = layer(x)
    return keras.Model(images, x)


def draw(count: int = 20) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, 8, 10, 3)).astype(np.uint8)


def test_training_and_validation_share_names_so_that_curves_overlay(model: keras.Model, tmp_path: Path) -> None:
    board = Board(str(tmp_path))
    board.steps(10, {"loss": 1.5, "lrate": 1e-3, "images_per_second": 800.0, "input_wait_share": 0.25})
    board.epoch(1, {"loss": 1.25, "accuracy": 0.5, "val_loss": 1.75, "val_accuracy": 0.25}, model)
    board.epoch(2, {"loss": 0.5, "accuracy": 0.75, "val_loss": 1.0, "val_accuracy": 0.5}, model)
    board.close()
    train, validation = (read(tmp_path / split, "scalars") for split in ("train", "validation"))
    assert validation == {"epoch/loss": {1: 1.75, 2: 1.0}, "epoch/accuracy": {1: 0.25, 2: 0.5}}
    assert {tag: train.pop(tag) for tag in validation} == {
        "epoch/loss": {1: 1.25, 2: 0.5},
        "epoch/accuracy": {1: 0.5, 2: 0.75},
    }
    assert train == {
        "step/loss": {10: 1.5},
        "step/lrate": {10: np.float32(1e-3)},
        "step/images_per_second": {10: 800.0},
        "step/input_wait_share": {10: 0.25},
    }


def test_every_trained_weight_has_a_histogram_each_epoch(model: keras.Model, tmp_path: Path) -> None:
    board = Board(str(tmp_path))
    board.epoch(3, {"loss": 1.0}, model)
    # Seen at once, not only at the end.
    histograms = read(tmp_path / "train", "histograms")
    board.close()
    assert set(histograms) == {weight.path for weight in model.trainable_weights}
    kernel = model.get_layer("answer").kernel
    buckets = histograms[kernel.path][3]
    assert buckets.shape == (30, 3)
    assert buckets[:, 2].sum() == np.size(kernel)
    assert (buckets[0, 0], buckets[-1, 1]) == pytest.approx((np.min(kernel), np.max(kernel)))
    assert not (tmp_path / "validation").exists()


def test_buckets_hold_every_number_and_nothing_else() -> None:
    buckets = count_buckets(np.array([[0.0, 1.0, np.nan], [np.inf, 0.99, 30.0]], np.float32))
    assert buckets[0].tolist() == [0, 1, 2]
    assert buckets[-1].tolist() == [29, 30, 1]
    assert buckets[:, 2].sum() == 4
    assert count_buckets(np.full(4, 2.5))[:, 2].sum() == 4
    assert count_buckets(np.full(4, np.nan)).shape == (0, 3)


def test_the_start_shows_graph_and_augmented_images_and_changes_nothing(model: keras.Model, tmp_path: Path) -> None:
    before = [np.array(variable) for variable in model.variables]
    board = Board(str(tmp_path))
    board.start(model, tf.constant(draw()))
    board.close()
    for variable, value in zip(model.variables, before, strict=True):
        assert np.array_equal(variable, value), variable.path
    (graph,) = (event.graph_def for event in read_events(tmp_path / "train") if event.graph_def)
    assert any("answer" in node.name for node in tf.compat.v1.GraphDef.FromString(graph).node)
    ((tag, steps),) = read(tmp_path / "train", "images").items()
    width, height, png = steps[0]
    assert (tag, width, height) == ("augmented images", b"64", b"12")
    # What the training itself sees first is the same: the layers draw anew what they drew for the picture.
    crop = keras.Model(model.inputs, model.layers[4].output)
    first = np.asarray(crop(draw()[:16], training=True))
    shown = np.asarray(Image.open(io.BytesIO(png))).reshape(2, 6, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(16, 6, 8, 3)
    assert np.abs((first + 1) * 127.5 - shown).max() <= 0.51
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)


def test_without_random_layers_images_are_shown_as_they_are() -> None:
    coloured = keras.Sequential([keras.Input((8, 10, 3), dtype="uint8"), ToFloat(), keras.layers.Flatten()])
    assert (augment(coloured, draw(3)) == draw(3)).all()
    grey = keras.Sequential([keras.Input((2, 1, 1)), keras.layers.Flatten()])
    shown = augment(grey, np.array([[-1.0, 1.0]], np.float32).reshape(1, 2, 1, 1))
    assert shown.tolist() == [[[[0]], [[255]]]]


@pytest.mark.parametrize(("shape", "num_pictures"), [((80, 80, 1), 1), ((1280,), 0)])
def test_grey_images_are_shown_and_embeddings_are_not(
    tmp_path: Path, shape: tuple[int, ...], num_pictures: int
) -> None:
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2)])
    board = Board(str(tmp_path))
    board.start(model, np.zeros((3, *shape), np.float32))
    board.close()
    assert any(event.graph_def for event in read_events(tmp_path / "train"))
    assert len(read(tmp_path / "train", "images")) == num_pictures


def test_the_evaluation_is_shown(tmp_path: Path) -> None:
    Image.new("RGB", (7, 5), "red").save(tmp_path / "confusion.png")
    board = Board(str(tmp_path / "logs"))
    board.evaluation({"accuracy": 0.5, "psnr": None, "classes": {}, "num_examples": 12}, tmp_path)
    board.close()
    assert read(tmp_path / "logs" / "test", "scalars") == {"accuracy": {0: 0.5}, "num_examples": {0: 12.0}}
    images = read(tmp_path / "logs" / "test", "images")
    assert set(images) == {"confusion"}
    assert images["confusion"][0].tolist() == [b"7", b"5", (tmp_path / "confusion.png").read_bytes()]


def profiled(folder: Path) -> list[Path]:
    return list((folder / "train" / "plugins" / "profile").glob("*/*.xplane.pb"))


def test_chosen_steps_are_profiled(tmp_path: Path) -> None:
    board = Board(str(tmp_path), (3, 4))
    for step in range(7):
        board.profile(step)
        # Steps 3 and 4 lie between the calls with 2 and 4.
        assert bool(profiled(tmp_path)) == (step >= 4)
        tf.linalg.matmul(tf.ones((2, 2)), tf.ones((2, 2))).numpy()
    board.close()
    (profile,) = profiled(tmp_path)
    assert b"MatMul" in profile.read_bytes()


def marked_steps(folder: Path) -> list[int]:
    """The numbers of the steps that a profile marks as its roots, as TensorBoard's overview looks for them."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    (path,) = profiled(folder)
    found = []
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        names = {number: stat.name for number, stat in plane.stat_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            stats = {names[stat.metadata_id]: stat.int64_value for stat in event.stats}
            if plane.event_metadata[event.metadata_id].name == "train" and stats.get("_r") == 1:
                found.append(stats["step_num"])
    return found


def test_a_profile_marks_its_steps(tmp_path: Path) -> None:
    board = Board(str(tmp_path), (2, 4))
    for step in range(6):
        board.profile(step)
        with board.marking(step):
            tf.linalg.matmul(tf.ones((2, 2)), tf.ones((2, 2))).numpy()
    board.close()
    assert marked_steps(tmp_path) == [2, 3, 4]


@pytest.mark.parametrize("name", ["plain", "with 'quote' and space", "$HOME", "-dash"])
def test_the_command_that_shows_it_can_be_pasted(tmp_path: Path, name: str) -> None:
    line = describe(str(tmp_path / name))
    words = shlex.split(line.split(": ", 1)[1].split(" (pip install")[0])
    assert words == ["tensorboard", "--logdir", str(tmp_path / name)]
    assert ("pip install 'petalstream[tensorboard]' brings it" in line) == (find_spec("tensorboard") is None)


@pytest.mark.parametrize(("steps", "is_profiled"), [((0, 2), True), ((10, 20), False)])
def test_a_profile_ends_with_the_run_and_is_not_begun_behind_its_end(
    tmp_path: Path, steps: tuple[int, int], is_profiled: bool
) -> None:
    board = Board(str(tmp_path), (1, 5))
    for step in steps:
        board.profile(step)
    board.close()
    assert bool(profiled(tmp_path)) == is_profiled


def test_without_a_folder_nothing_happens(model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    board = Board(None, (1, 2))
    board.start(model, draw())
    board.steps(1, {"loss": 1.0})
    board.profile(1)
    board.epoch(1, {"loss": 1.0}, model)
    board.evaluation({"accuracy": 1.0}, tmp_path)
    board.close()
    assert list(tmp_path.iterdir()) == []
