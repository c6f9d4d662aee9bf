from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer.layers import RandomColorDistortion, RandomCropOrCenter, RandomFlip, RandomLayer


def test_draws_are_uniform_and_all_different() -> None:
    layer = RandomLayer(seed=1)
    draws = np.concatenate([layer.draw(500, 3) for _ in range(10)])
    assert draws.shape == (5000, 3)
    assert draws.min() >= 0
    assert draws.max() < 1
    # 15,000 draws out of 2^24: 7 coincidences expected.
    assert len(np.unique(draws)) > 14_980
    assert abs(draws.mean() - 1 / 2) < 4 * np.sqrt(1 / 12 / draws.size)
    assert abs(draws.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / draws.size)
    correlation = np.corrcoef(draws.T) - np.eye(3)
    assert np.abs(correlation).max() < 4 / np.sqrt(5000)


def test_a_seed_repeats_and_another_does_not() -> None:
    def sequence(seed: int | None) -> list[list[list[float]]]:
        layer = RandomFlip(seed=seed)
        return [layer.draw(4, 1).numpy().tolist() for _ in range(3)]

    assert sequence(5) == sequence(5)
    assert sequence(5) != sequence(6)
    assert sequence(None) != sequence(None)
    assert len({str(step) for step in sequence(5)}) == 3


def test_one_seed_for_all_layers_does_not_tie_them_together() -> None:
    layers = [RandomCropOrCenter(2, 2, seed=1), RandomFlip(seed=1), RandomColorDistortion(seed=1)]
    draws = np.stack([layer.draw(2000, 1).numpy()[:, 0] for layer in layers])
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 4 / np.sqrt(2000)


@pytest.mark.parametrize("num_draws", [1, 2])
def test_an_images_draw_does_not_depend_on_the_batch_size(num_draws: int) -> None:
    whole = RandomFlip(seed=3).draw(65, num_draws)
    for batch_size in (1, 7, 64):
        np.testing.assert_array_equal(RandomFlip(seed=3).draw(batch_size, num_draws), whole[:batch_size])


@pytest.mark.parametrize("batch_size", [1, 7, 64, 301])
def test_draws_are_the_same_eagerly_in_a_graph_and_under_xla(batch_size: int) -> None:
    def two_steps(jit_compile: bool | None) -> np.ndarray:
        layer = RandomFlip(seed=4)
        draw = layer.draw if jit_compile is None else tf.function(layer.draw, jit_compile=jit_compile)
        return np.stack([draw(batch_size, 2), draw(batch_size, 2)])

    eager = two_steps(None)
    np.testing.assert_array_equal(two_steps(False), eager)
    np.testing.assert_array_equal(two_steps(True), eager)


def test_the_state_is_a_variable_that_brings_the_draws_back() -> None:
    layer = RandomFlip(seed=8)
    layer.draw(3, 1)
    saved = layer.seed_generator.state.numpy()
    expected = layer.draw(3, 1)
    restarted = RandomFlip(seed=8)
    restarted.seed_generator.state.assign(saved)
    np.testing.assert_array_equal(restarted.draw(3, 1), expected)
    assert any(variable is layer.seed_generator.state for variable in layer.variables)
    assert not any(variable is layer.seed_generator.state for variable in layer.weights)


_ON_TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
from trainer.layers import RandomColorDistortion, RandomFlip
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    flip, colour = RandomFlip(seed=1), RandomColorDistortion(seed=1)
    model = keras.Sequential([keras.Input((2, 2, 3)), flip, colour, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

def counts():
    return flip.seed_generator.state.numpy()[1], colour.step.numpy()

@tf.function
def step():
    def draw():
        model(tf.zeros([1, 2, 2, 3]), training=True)
        return flip.draw(50, 1)
    return strategy.experimental_local_results(strategy.run(draw))

draws = np.stack([replica.numpy()[:, 0] for _ in range(4) for replica in step()])
print(np.abs(np.corrcoef(draws) - np.eye(8)).max() < 0.6, *counts())
data = tf.data.Dataset.from_tensor_slices((np.zeros([8, 2, 2, 3], "f4"), np.zeros([8, 1], "f4"))).batch(4)
model.fit(data, verbose=0)
print(*counts())
"""


def test_replicas_draw_differently_and_count_alike() -> None:
    # In a process of its own: a CPU can be split in two only before TensorFlow starts.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", _ON_TWO_REPLICAS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Four steps of two draws each by the flip, one by the colour; then an epoch of two steps.
    assert done.stdout.split() == ["True", "8", "4", "10", "6"]
