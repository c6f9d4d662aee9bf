"""What the chapter's tables do with its data set: loop over it, or train a linear model on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness.datasets import CHAPTER_SIDE
from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import Measured
from trainer import ingest
from trainer.data import load_manifest

if TYPE_CHECKING:
    import tensorflow as tf

SEED = 7
# Of the pixel values, drawn once an epoch.
THRESHOLDS = (0.3, 0.7)

Work = Callable[[str, ingest.IngestConfig, int], None]


def loop(data_dir: str, config: ingest.IngestConfig, num_epochs: int) -> None:
    """Computes, image by image, the mean of the pixels above a threshold: table 7-1's work."""
    import tensorflow as tf

    thresholds = np.random.default_rng(SEED).uniform(*THRESHOLDS, num_epochs)
    num_steps = ingest.steps_per_epoch(data_dir, "train", config, variant="pixel")
    total = tf.constant(0.0)
    for step, (images, _) in enumerate(_load(data_dir, config, num_epochs)):
        total += tf.reduce_mean(tf.where(images > thresholds[step // num_steps], images, 0.0))
    float(total)


def train_linear(data_dir: str, config: ingest.IngestConfig, num_epochs: int) -> None:
    """Trains flatten and dense softmax: the work of tables 7-2, 7-3 and 7-4."""
    import keras

    keras.utils.set_random_seed(SEED)
    num_classes = len(load_manifest(data_dir).class_names)
    layers = [keras.Input((CHAPTER_SIDE, CHAPTER_SIDE, 3)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(num_classes, activation="softmax")])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    num_steps = ingest.steps_per_epoch(data_dir, "train", config, variant="pixel")
    model.fit(_load(data_dir, config, num_epochs), epochs=num_epochs, steps_per_epoch=num_steps, verbose=0)


def make_rows(
    work: Work, configs: Mapping[str, ingest.IngestConfig], data_dir: str, num_epochs: int
) -> dict[str, Callable[[], None]]:
    """Makes a table's rows: one kind of work, and a way of reading for each row."""
    return {row: functools.partial(work, data_dir, config, num_epochs) for row, config in configs.items()}


def measure(
    module: str, data_dir: str, num_epochs: int, rounds: int, environment: Mapping[str, str | None] | None = None
) -> Measured:
    """Measures the rows of a table's module, in turns, in a process of their own."""
    arguments = {"data_dir": data_dir, "num_epochs": num_epochs}
    with RowProcess(module, arguments, environment=environment) as process:
        # The first row pays for what is loaded on first use.
        return take_turns([process], rounds, warm_up=1)


def _load(data_dir: str, config: ingest.IngestConfig, num_epochs: int) -> tf.data.Dataset:
    return ingest.load_epochs(data_dir, "train", config, num_epochs, variant="pixel")
