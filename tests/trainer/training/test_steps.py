"""The steps on one device and on two; two logical processors stand for two GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.training.objective import make_objective
from trainer.training.steps import Steps, Totals
from trainer.training.strategy import Distribution

ROOT = Path(__file__).parents[3]
SIZES = (8, 8, 3, 1)


def batches() -> tf.data.Dataset:
    """Batches of several sizes, the last of a single example: one of two devices has nothing to do."""
    random = np.random.default_rng(1)

    def generate():  # type: ignore[no-untyped-def]
        for size in SIZES:
            yield random.integers(0, 256, (size, 4, 4, 3), np.uint8), random.integers(0, 3, size, np.int32)

    signature = (tf.TensorSpec((None, 4, 4, 3), tf.uint8), tf.TensorSpec((None,), tf.int32))
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def train(distribution: Distribution, num_at_once: int = 1) -> tuple[list[np.ndarray], Totals]:
    keras.utils.set_random_seed(3)
    with distribution.strategy.scope():
        images = keras.Input((4, 4, 3), dtype="uint8")
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
        x = keras.layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(0.01))(x)
        model = keras.Model(images, x)
        optimizer = keras.optimizers.Adam(0.01)
        optimizer.build(model.trainable_variables)
    objective = make_objective("classes")
    steps, totals = Steps(model, optimizer, objective, distribution), Totals(objective.metrics)
    iterator = iter(batches())
    for _ in range(len(SIZES) // num_at_once):
        totals.add(steps.train(iterator, num_at_once))
    return model.get_weights(), totals


def here() -> Distribution:
    return Distribution("cpu", tf.distribute.get_strategy())


def test_steps_do_what_keras_does() -> None:
    keras.utils.set_random_seed(3)
    images = keras.Input((4, 4, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(0.01))(x)
    model = keras.Model(images, x)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    for batch in batches():
        model.train_on_batch(*batch)
    for one, other in zip(train(here())[0], model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_several_steps_at_once_are_the_same_steps() -> None:
    (one, totals), (other, others) = train(here()), train(here(), num_at_once=4)
    for array, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(array, same)
    assert totals.num_examples == others.num_examples == sum(SIZES)
    assert totals.means() == others.means()
    assert totals.wait_seconds > 0


def test_evaluation_weighs_examples_not_batches() -> None:
    keras.utils.set_random_seed(3)
    images = keras.Input((4, 4, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3, "softmax")(x))
    steps = Steps(model, keras.optimizers.Adam(), make_objective("classes"), here())
    found = steps.evaluate(batches())
    values, labels = (np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches(), strict=True))
    probabilities = np.asarray(model(values))
    assert found["accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels))
    assert found["loss"] == pytest.approx(-np.log(probabilities[np.arange(len(labels)), labels]).mean(), rel=1e-5)


def test_the_loss_is_that_of_the_data_and_the_penalty_stands_apart() -> None:
    keras.utils.set_random_seed(3)
    images = keras.Input((4, 4, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3, "softmax", kernel_regularizer=keras.regularizers.L2(0.5))(x))
    objective = make_objective("classes")
    # So slow that the weights stay as they are.
    optimizer = keras.optimizers.SGD(1e-30)
    optimizer.build(model.trainable_variables)
    steps, totals = Steps(model, optimizer, objective, here()), Totals(objective.metrics)
    found, iterator = steps.evaluate(batches()), iter(batches())
    for _ in SIZES:
        totals.add(steps.train(iterator, 1))
    assert totals.means() == pytest.approx(found, rel=1e-6)
    assert totals.penalty == pytest.approx(0.5 * np.square(model.get_weights()[0]).sum(), rel=1e-5)


TWO_AVERAGES = """
import numpy as np
import keras
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from trainer.training.objective import make_objective
from trainer.training.steps import Steps
from trainer.training.strategy import Distribution
two = Distribution("gpus_one_machine", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), num_local_replicas=2)
with two.strategy.scope():
    inputs = keras.Input((2,))
    frozen, moving = keras.layers.BatchNormalization(trainable=False), keras.layers.BatchNormalization(momentum=0.5)
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(moving(frozen(inputs))))
    optimizer = keras.optimizers.Adam(0.0)
    optimizer.build(model.trainable_variables)
steps = Steps(model, optimizer, make_objective("classes"), two)
values = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
steps.train_batch(values, tf.constant([0, 1, 0, 1]))
apart = [part.numpy() for part in two.strategy.experimental_local_results(moving.moving_mean.value)]
assert not np.array_equal(*apart), apart
steps.synchronise()
for part in two.strategy.experimental_local_results(moving.moving_mean.value):
    # Half of the mean of all four, since it began at 0; but for what the frozen layer adds to the variance.
    np.testing.assert_allclose(part.numpy(), [2.0, 2.5], rtol=1e-3)
np.testing.assert_array_equal(np.asarray(frozen.moving_mean), [0, 0])
print("equal")
"""

TWO_DEVICES = """
import numpy as np
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.trainer.training.test_steps import here, train
from trainer.training.strategy import Distribution
two = Distribution("gpus_one_machine", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), num_local_replicas=2)
(one, totals), (other, others) = train(here()), train(two)
for array, same in zip(one, other, strict=True):
    np.testing.assert_allclose(array, same, rtol=1e-5, atol=1e-7)
assert totals.num_examples == others.num_examples == 20
np.testing.assert_allclose(list(totals.means().values()), list(others.means().values()), rtol=1e-6)
np.testing.assert_allclose(totals.penalty, others.penalty, rtol=1e-5)
assert totals.penalty > 0
print("equal")
"""


@pytest.mark.parametrize("script", ["TWO_DEVICES", "TWO_AVERAGES"])
def test_two_devices_come_to_the_same(script: str) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(
        [sys.executable, "-c", globals()[script]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.stdout.strip().endswith("equal"), ended.stderr
