"""Comparing predictions with labels, and the files that an evaluation leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl.errors import DatasetError
from trainer.evaluation.confusion import Confusion
from trainer.evaluation.evaluate import Tally, evaluate, evaluate_colours, evaluate_run
from trainer.evaluation.pictures import ColourSample
from trainer.training.objective import make_objective

NAMES = ("daisy", "roses", "tulips")
KEEP = make_objective("classes").prepare
TO_GREY = make_objective("colours").prepare


def one_hot(predictions: list[int], sure: float = 1.0) -> np.ndarray:
    rest = (1 - sure) / (len(NAMES) - 1)
    return np.where(np.eye(len(NAMES))[predictions] == 1, sure, rest).astype(np.float32)


def summarise(labels: list[int], probabilities: np.ndarray) -> dict[str, Any]:
    tally = Tally(NAMES)
    tally.add(np.array(labels, np.int32), probabilities)
    return tally.summarise()


def test_every_number_of_a_small_example() -> None:
    scores = summarise([0, 0, 0, 1], one_hot([0, 0, 1, 1], 0.8))
    assert scores["num_examples"] == 4
    assert scores["accuracy"] == 0.75
    assert scores["loss"] == pytest.approx(-(3 * np.log(0.8) + np.log(0.1)) / 4, rel=1e-6)
    assert scores["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert scores["classes"]["daisy"] == {
        "num_examples": 3,
        "num_predicted": 2,
        "precision": 1.0,
        "recall": 2 / 3,
        "f1": 0.8,
    }
    # Nothing to divide by is no 0 and no 1.
    assert scores["classes"]["tulips"] == {
        "num_examples": 0,
        "num_predicted": 0,
        "precision": None,
        "recall": None,
        "f1": None,
    }


def test_a_probability_of_nothing_is_a_finite_loss() -> None:
    assert summarise([1], one_hot([0]))["loss"] == pytest.approx(-np.log(1e-7), rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), st.integers(1, 40))
def test_counts_add_up_however_they_are_batched(pairs: list[tuple[int, int]], batch_size: int) -> None:
    labels, predictions = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    counted = Confusion(3)
    counted.add(labels, predictions)
    confusion = counted.blocks()
    for true in range(3):
        for predicted in range(3):
            assert confusion[true, predicted] == pairs.count((true, predicted))
    tally = Tally(NAMES)
    for first in range(0, len(pairs), batch_size):
        batch = slice(first, first + batch_size)
        tally.add(labels[batch], one_hot(list(predictions[batch]), 0.9))
    scores = tally.summarise()
    assert scores["confusion_matrix"] == confusion.tolist()
    assert scores["accuracy"] == np.mean(labels == predictions)
    assert scores["loss"] == pytest.approx(-np.log(np.where(labels == predictions, 0.9, 0.05)).mean(), rel=1e-5)
    assert sum(entry["num_examples"] for entry in scores["classes"].values()) == len(pairs)


class Reader(keras.layers.Layer):
    """Reads what it is to say from an image's first pixel: red is the class, green how sure it is, in 255ths."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        first = tf.cast(images[:, 0, 0, :], tf.float32)
        said, sure = tf.one_hot(tf.cast(first[:, 0], tf.int32), len(NAMES)), first[:, 1:2] / 255
        return said * sure + (1 - said) * (1 - sure) / (len(NAMES) - 1)


@pytest.fixture(scope="module")
def reader() -> keras.Model:
    images = keras.Input((4, 6, 3), dtype="uint8")
    return keras.Model(images, Reader(dtype="float32")(images))


def draw(said: list[int], sure: list[int]) -> np.ndarray:
    """Images that make the reader say so; blue is their number."""
    images = np.zeros((len(said), 4, 6, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = said, sure
    images[..., 2] = np.arange(len(said))[:, np.newaxis, np.newaxis]
    return images


def test_a_run_is_evaluated_and_drawn(reader: keras.Model, tmp_path: Path) -> None:
    images, labels = draw([0, 1, 2, 1, 0], [250, 240, 230, 220, 210]), np.array([0, 1, 0, 2, 0], np.int32)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    scores = evaluate_run(reader, dataset, "classes", NAMES, tmp_path, KEEP)
    assert scores["confusion_matrix"] == [[2, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert scores == evaluate(reader, dataset, NAMES)
    assert json.loads(json.dumps(scores)) == scores
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion.png", "mistakes.png"]
    # The surer of the two mistakes, number 2, comes first.
    sheet = np.asarray(Image.open(tmp_path / "mistakes.png"))
    assert sheet[150, 100].tolist() == [0, 0, 2]
    assert sheet[150, 100 + 184].tolist() == [0, 0, 3]


def test_embeddings_have_a_matrix_and_no_sheet(tmp_path: Path) -> None:
    embeddings = np.eye(3, dtype=np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Softmax()])
    dataset = tf.data.Dataset.from_tensor_slices((embeddings, np.array([0, 1, 1], np.int32))).batch(2)
    scores = evaluate_run(model, dataset, "classes", NAMES, tmp_path, KEEP)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]


def test_random_layers_do_nothing() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.9, seed=1), keras.layers.Softmax()])
    embeddings = np.tile(4 * np.eye(3, dtype=np.float32), (20, 1))
    dataset = tf.data.Dataset.from_tensor_slices((embeddings, np.tile(np.arange(3, dtype=np.int32), 20))).batch(7)
    assert evaluate(model, dataset, NAMES)["accuracy"] == 1.0


def make_coloriser(answer: Callable[[Any], Any]) -> keras.Model:
    grey = keras.Input((8, 8, 1))
    return keras.Model(grey, keras.layers.Lambda(answer, output_shape=(8, 8, 3))(grey))


def test_a_coloriser_that_leaves_all_grey_is_no_better_than_grey(tmp_path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 256, (11, 8, 8, 3)).astype(np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros(11, np.int32))).batch(4)
    model = make_coloriser(lambda grey: keras.ops.repeat(grey, 3, axis=-1))
    scores = evaluate_run(model, dataset, "colours", (), tmp_path, TO_GREY)
    assert scores["num_examples"] == 11
    assert scores["mse"] == pytest.approx(scores["grey_mse"], rel=1e-6)
    colours = images / 127.5 - 1
    assert scores["best_grey_mse"] == pytest.approx(colours.var(axis=-1).mean(), rel=1e-5)
    assert scores["best_grey_mse"] < scores["grey_mse"]
    assert scores["psnr"] == pytest.approx(10 * np.log10(4 / scores["mse"]))
    assert json.loads(json.dumps(scores)) == scores
    assert [path.name for path in tmp_path.iterdir()] == ["colours.png"]


def test_the_error_of_black_and_the_first_sixteen_samples() -> None:
    images = np.full((20, 8, 8, 3), 255, np.uint8)
    images[:, 0, 0, 0] = np.arange(20)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros(20, np.int32))).batch(6)
    samples: list[ColourSample] = []
    model = make_coloriser(lambda grey: -keras.ops.ones_like(keras.ops.repeat(grey, 3, axis=-1)))
    scores = evaluate_colours(model, dataset, TO_GREY, samples)
    assert scores["mse"] == pytest.approx(np.square(images / 127.5).mean(), rel=1e-6)
    assert [round((sample.true[0, 0, 0] + 1) * 127.5) for sample in samples] == list(range(16))
    assert {sample.predicted.max() for sample in samples} == {-1.0}
    assert {sample.grey.shape for sample in samples} == {(8, 8, 1)}


def test_no_error_has_no_signal_to_noise_ratio() -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros(2, np.int32))).batch(2)
    model = make_coloriser(lambda grey: -keras.ops.ones_like(keras.ops.repeat(grey, 3, axis=-1)))
    scores = evaluate_colours(model, dataset, TO_GREY)
    assert (scores["mse"], scores["psnr"]) == (0.0, None)


def test_an_empty_split_is_refused(reader: keras.Model, tmp_path: Path) -> None:
    empty = tf.data.Dataset.from_tensor_slices((draw([0], [0]), np.zeros(1, np.int32))).take(0).batch(2)
    with pytest.raises(DatasetError, match="nothing to evaluate on: the split holds no examples"):
        evaluate_run(reader, empty, "classes", NAMES, tmp_path, KEEP)
    with pytest.raises(DatasetError, match="nothing to evaluate on: the split holds no images"):
        evaluate_run(make_coloriser(lambda grey: grey), empty, "colours", (), tmp_path, TO_GREY)
    assert list(tmp_path.iterdir()) == []
