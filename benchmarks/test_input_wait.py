"""How much of a training step is waiting for input: MobileNetV2, frozen, with a head that is trained.

    pytest benchmarks/test_input_wait.py --data DIR

Reading and the model share the processor here, so the model's step is longer than it would be alone; waiting is the
time in which the training loop has no batch.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import CHAPTER_SIDE, EMBEDDING_ALPHA, MODEL_SIDE, Datasets
from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, median_fact, record
from benchmarks.harness.sizes import Size
from trainer import ingest
from trainer.data import load_manifest

if TYPE_CHECKING:
    import tensorflow as tf

pytestmark = REPLAYED

TABLE = "input wait"
MODEL = f"MobileNetV2, alpha {EMBEDDING_ALPHA}"
TRAINING = ingest.IngestConfig(batch_size=64, training=True, drop_remainder=True, epoch=0)
# The chapter's images are 448x448 and cut to 224 in its model.
CHAPTERS = {"image_size": CHAPTER_SIDE, "batch_size": 32, "drop_remainder": True}
# Row to the data set, the variant and the configuration.
ROWS = {
    "JPEG, random crop to 224": ("images", "jpeg", TRAINING.replace(image_size=MODEL_SIDE)),
    "pixels, 224x224 uint8": ("images", "pixel", TRAINING),
    "the chapter's data, plain": ("chapter", "pixel", ingest.preset("plain", **CHAPTERS)),
    "the chapter's data, prefetch": ("chapter", "pixel", ingest.preset("prefetch", **CHAPTERS)),
}


def make_rows(paths: dict[str, str], weights: str, num_steps: int) -> dict[str, Callable[[], dict[str, Any]]]:
    import keras
    import tensorflow as tf

    num_classes = max(len(load_manifest(path).class_names) for path in paths.values())
    shape = (MODEL_SIDE, MODEL_SIDE, 3)
    network = keras.applications.MobileNetV2(
        input_shape=shape, alpha=EMBEDDING_ALPHA, include_top=False, weights=None, pooling="avg"
    )
    network.load_weights(weights)
    network.trainable = False
    head = keras.layers.Dense(num_classes, activation="softmax")
    head.build(network.output_shape)
    optimizer = keras.optimizers.Adam()
    optimizer.build(head.trainable_variables)

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def step(images: tf.Tensor, labels: tf.Tensor) -> None:
        if images.dtype == tf.uint8:
            images = tf.cast(images, tf.float32) / 255.0
        features = network(images[:, :MODEL_SIDE, :MODEL_SIDE] * 2.0 - 1.0, training=False)
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(labels, head(features))
        optimizer.apply(tape.gradient(losses, head.trainable_variables), head.trainable_variables)

    def train(batches: Callable[[], tf.data.Dataset]) -> dict[str, Any]:
        iterator = iter(batches())
        # The first batch is start-up, and the first step may trace.
        step(*next(iterator))
        waited, start = 0.0, time.perf_counter()
        for _ in range(num_steps):
            asked = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - asked
            step(*batch)
            # A step is done when its result is there.
            float(optimizer.iterations)
        seconds = time.perf_counter() - start
        return {"waited_share": waited / seconds, "step_seconds": seconds / num_steps}

    def load(row: str) -> tf.data.Dataset:
        name, variant, config = ROWS[row]
        return ingest.load_epochs(paths[name], "train", config, None, variant=variant)

    return {row: functools.partial(train, functools.cache(functools.partial(load, row))) for row in ROWS}


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    paths = {"images": str(datasets.images), "chapter": str(datasets.chapter)}
    arguments = {"paths": paths, "weights": str(datasets.weights), "num_steps": size.num_steps}
    with RowProcess("benchmarks.test_input_wait", arguments) as process:
        return take_turns([process], size.rounds)


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    facts = {
        "input_wait_share": median_fact(measured[row], "waited_share"),
        "step_seconds": median_fact(measured[row], "step_seconds"),
    }
    info = {"num_steps": size.num_steps, "batch_size": ROWS[row][2].batch_size, "model": MODEL}
    record(benchmark, TABLE, row, measured, size, **facts, **info)
