"""Training steps on several devices of one process, or on several processes, for the distribution's timing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SIDE = 128
NUM_CLASSES = 5
# Of all devices and workers together.
GLOBAL_BATCH_SIZE = 32
SEED = 7
ROW = "steps"


def cluster(num_workers: int) -> list[dict[str, str | None]]:
    """Returns the environment of each worker of a cluster on loopback; for one worker, none."""
    if num_workers == 1:
        return [{"TF_CONFIG": None}]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(num_workers)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})}
        for index in range(num_workers)
    ]


def make_rows(num_steps: int, devices: list[int] | None = None) -> dict[str, Callable[[], None]]:
    """Makes the rows of one process.

    Args:
        num_steps: Training steps of a row, `GLOBAL_BATCH_SIZE` images each.
        devices: For each row how many logical processors it trains on; None for one row as a worker of a cluster.

    Returns:
        A row for each number of devices, or the row `ROW`.
    """
    import tensorflow as tf

    if devices is None:
        return {ROW: _Training(tf.distribute.MultiWorkerMirroredStrategy(), num_steps)}
    if max(devices) > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * max(devices)
        tf.config.set_logical_device_configuration(processor, logical)
    rows: dict[str, Callable[[], None]] = {}
    for number in devices:
        names = [f"/cpu:{index}" for index in range(number)]
        strategy = tf.distribute.MirroredStrategy(names) if number > 1 else tf.distribute.OneDeviceStrategy(names[0])
        rows[row_name(number)] = _Training(strategy, num_steps)
    return rows


def row_name(num_devices: int) -> str:
    """Returns the row's name for a number of logical processors."""
    return "1 device" if num_devices == 1 else f"{num_devices} devices, MirroredStrategy"


class _Training:
    """Trains the small convolutional network on images from memory, `num_steps` steps a call."""

    def __init__(self, strategy: tf.distribute.Strategy, num_steps: int) -> None:
        import keras
        import tensorflow as tf

        from trainer import models

        self._strategy, self._num_steps = strategy, num_steps
        keras.utils.set_random_seed(SEED)
        with strategy.scope():
            self._model: keras.Model = models.build("cnn", image_size=(SIDE, SIDE), num_classes=NUM_CLASSES)
            self._optimizer = keras.optimizers.SGD(0.01)
            self._optimizer.build(self._model.trainable_variables)
        self._step = tf.function(self._run_step, autograph=False)
        random = np.random.default_rng(SEED)
        # An equal part for each replica.
        number = GLOBAL_BATCH_SIZE // strategy.num_replicas_in_sync
        images = random.integers(0, 256, (number, SIDE, SIDE, 3), np.uint8)
        labels = random.integers(0, NUM_CLASSES, number)
        self._images, self._labels = (
            strategy.experimental_distribute_values_from_function(lambda _, values=values: tf.constant(values))
            for values in (images, labels)
        )

    def __call__(self) -> None:
        for _ in range(self._num_steps):
            self._step(self._images, self._labels)

    def _run_step(self, images: tf.distribute.DistributedValues, labels: tf.distribute.DistributedValues) -> None:
        self._strategy.run(self._train, (images, labels))

    def _train(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        import keras
        import tensorflow as tf

        with tf.GradientTape() as tape:
            probabilities = self._model(images, training=True)
            losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
            # The optimizer adds the replicas' gradients up.
            loss = tf.reduce_sum(losses) / GLOBAL_BATCH_SIZE
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
