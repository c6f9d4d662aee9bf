"""Where colour distortion goes: in a map before the batch, in a map of batches, or in a Keras layer after the batch.

    pytest benchmarks/test_color_distortion.py

Images of 224x224 come from memory, so that the distortion is nearly all there is to do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import MODEL_SIDE
from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, record
from benchmarks.harness.sizes import Size

if TYPE_CHECKING:
    import tensorflow as tf

pytestmark = REPLAYED

TABLE = "colour distortion"
BATCH_SIZE = 32
CONTRAST = (0.5, 1.5)
BRIGHTNESS = 0.2
SEED = 7
# How often contrast and brightness are drawn.
DRAWS = {
    "map before batch": "once an image",
    "batch(32).map": "once a batch",
    "Keras layer after batch": "once an image",
    "no distortion": "never",
}


def make_rows(num_images: int) -> dict[str, Callable[[], None]]:
    import keras
    import tensorflow as tf

    from trainer.layers import RandomColorDistortion, ToFloat

    shape = (MODEL_SIDE, MODEL_SIDE, 3)
    pixels = np.random.default_rng(SEED).integers(0, 256, (num_images, *shape), np.uint8)
    images = tf.data.Dataset.from_tensor_slices(pixels)
    scale = ToFloat()
    layers = [keras.Input(shape, dtype="uint8"), scale, RandomColorDistortion(CONTRAST, BRIGHTNESS, seed=SEED)]
    distorting, plain = keras.Sequential(layers), keras.Sequential(layers[:2])
    average_raw = tf.function(lambda batch: tf.reduce_mean(batch))
    average_plain = tf.function(lambda batch: tf.reduce_mean(plain(batch)))
    average_distorted = tf.function(lambda batch: tf.reduce_mean(distorting(batch, training=True)))

    def distort(pixels: tf.Tensor) -> tf.Tensor:
        floats = tf.cast(pixels, tf.float32) / 255.0
        changed = tf.image.random_brightness(tf.image.random_contrast(floats, *CONTRAST), BRIGHTNESS)
        return tf.clip_by_value(changed, 0.0, 1.0)

    parallel = {"num_parallel_calls": tf.data.AUTOTUNE}
    batches = images.batch(BATCH_SIZE)
    ways: list[tuple[tf.data.Dataset, Callable[[tf.Tensor], tf.Tensor]]] = [
        (images.map(distort, **parallel).batch(BATCH_SIZE), average_raw),
        (batches.map(distort, **parallel), average_raw),
        (batches, average_distorted),
        (batches, average_plain),
    ]
    return {row: functools.partial(_consume, *way) for row, way in zip(DRAWS, ways, strict=True)}


def _consume(batches: tf.data.Dataset, average: Callable[[tf.Tensor], tf.Tensor]) -> None:
    for batch in batches.prefetch(2):
        float(average(batch))


@pytest.fixture(scope="module")
def measured(size: Size) -> Measured:
    with RowProcess("benchmarks.test_color_distortion", {"num_images": BATCH_SIZE * 2 * size.num_steps}) as process:
        return take_turns([process], size.rounds)


@pytest.mark.parametrize("row", DRAWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    record(benchmark, TABLE, row, measured, size, num_images=BATCH_SIZE * 2 * size.num_steps, drawn=DRAWS[row])
