"""The steps: a batch through the model, its gradients into the weights, on every device at once.

A loop of our own, because Keras 3's `fit` can't run under `MultiWorkerMirroredStrategy`: it turns per-replica batches
into tensors, which they are not. Keras' optimizers do their part: in a replica they sum the gradients over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.ingest import shares
from trainer.training.objective import Objective
from trainer.training.strategy import Distribution

# In front of the metrics' sums.
_COUNT, _WAIT, _PENALTY = 0, 1, 2
_NUM_FACTS = 3


class Totals:
    """Sums over the examples of an epoch so far, as float64, and the seconds in which the steps waited for input.

    Args:
        metrics: The objective's.
        sums: Where to go on from, float64; None for the beginning.
    """

    def __init__(self, metrics: tuple[str, ...], sums: np.ndarray | None = None) -> None:
        self._metrics = metrics
        self.sums = np.zeros(_NUM_FACTS + len(metrics)) if sums is None else sums

    def add(self, sums: tf.Tensor) -> None:
        """Adds what some steps returned; waits until they are done."""
        self.sums = self.sums + sums.numpy()

    def since(self, sums: np.ndarray) -> Totals:
        """Returns what came after a time when `sums` was this."""
        return Totals(self._metrics, self.sums - sums)

    @property
    def num_examples(self) -> int:
        """Examples so far, of all workers."""
        return int(self.sums[_COUNT])

    @property
    def wait_seconds(self) -> float:
        """Seconds in which this worker's steps had no batch."""
        return float(self.sums[_WAIT])

    @property
    def penalty(self) -> float:
        """The mean over the examples of the penalty on weights, which no metric holds."""
        return float(self.sums[_PENALTY] / max(1.0, self.sums[_COUNT]))

    def means(self) -> dict[str, float]:
        """Returns each metric's mean over the examples."""
        sums = self.sums[_NUM_FACTS:] / max(1.0, self.sums[_COUNT])
        return {name: float(value) for name, value in zip(self._metrics, sums, strict=True)}


class Steps:
    """Trains and evaluates by batches.

    Each device of this worker takes its part of the worker's batch. The loss is the mean over the batches of all
    workers, so that the number of devices changes neither it nor the gradient. Penalties on weights are added once to
    what the gradient is of, and reported apart: the loss is that of the data, in training as in validation and test.

    Args:
        model: Built within the strategy's scope.
        optimizer: Built with the model's trainable variables, within that scope.
        objective: What is asked of it.
        distribution: What it runs on.
        is_looped: Whether also a single step is one of a loop in the graph, where others are several.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        objective: Objective,
        distribution: Distribution,
        *,
        is_looped: bool = False,
    ) -> None:
        self._model, self._optimizer, self._objective = model, optimizer, objective
        self._distribution, self._is_looped = distribution, is_looped
        # Not a loop of one: in a profile the rounds of loops stand in the place of the steps that are marked.
        self._train_next = tf.function(self._train_single, reduce_retracing=True, autograph=False)
        self._train_on = tf.function(self._train_several, reduce_retracing=True, autograph=False)
        self._train_batch = tf.function(self._train_once, reduce_retracing=True, autograph=False)
        self._average_moving = tf.function(self._average_all, autograph=False)
        self._agree = tf.function(self._average_over_workers, autograph=False)
        self._moving = _moving_averages(model)
        self._evaluate_on = tf.function(self._evaluate_once, reduce_retracing=True, autograph=False)

    def train(self, batches: Any, num_steps: int, weight: float = 1.0) -> tf.Tensor:
        """Trains on the next batches.

        Args:
            batches: An iterator of a data set.
            num_steps: How many.
            weight: How often each example counts: 1, or 0 for a worker that has no more examples while others have.

        Returns:
            What `Totals.add` takes, as soon as the steps are on their way.
        """
        if num_steps == 1 and not self._is_looped:
            return self._train_next(batches, tf.constant(weight))
        return self._train_on(batches, tf.constant(num_steps), tf.constant(weight))

    def train_batch(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Trains on one batch that is at hand; returns what `Totals.add` takes."""
        return self._train_batch(images, labels, tf.constant(1.0))

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """Returns each metric's mean over a data set.

        Every worker asks its own copy of the model about all of it. What they return is the mean of what they found, so
        that all of them come to the same conclusions even where processors differ in a last bit.
        """
        totals = Totals(self._objective.metrics)
        for images, labels in dataset:
            totals.add(self._evaluate_on(images, labels))
        if self._distribution.num_workers > 1:
            agreed = self._agree(tf.constant(totals.sums))
            totals = Totals(self._objective.metrics, agreed.numpy())
        return totals.means()

    def synchronise(self) -> None:
        """Replaces the moving averages of batch normalisation by their means over all devices.

        Keras keeps those of each device apart. Training doesn't read them, and they are linear in what they average, so
        it makes no difference when this is done, but for the last bits. All workers must call it at the same step.
        """
        if self._moving and self._distribution.num_replicas > 1:
            self._average_moving()

    def _train_several(self, batches: Any, num_steps: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def step(number: tf.Tensor, totals: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number + 1, totals + self._train_single(batches, weight, after=[totals])

        first = (tf.constant(0), tf.zeros(_NUM_FACTS + len(self._objective.metrics), tf.float64))
        totals: tf.Tensor = tf.while_loop(lambda number, _: number < num_steps, step, first, parallel_iterations=1)[1]
        return totals

    def _train_single(self, batches: Any, weight: tf.Tensor, after: Sequence[tf.Tensor] = ()) -> tf.Tensor:
        """Trains on the next batch; returns what `Totals.add` takes."""
        # The clock runs from the end of the step before to the batch.
        with tf.control_dependencies(list(after)):
            asked = tf.timestamp()
        with tf.control_dependencies([asked]):
            images, labels = next(batches)
        with tf.control_dependencies([images, labels]):
            waited = tf.timestamp() - asked
        sums = self._train_once(images, labels, weight)
        return sums + waited * tf.one_hot(_WAIT, sums.shape[0], dtype=tf.float64)

    def _train_once(self, images: tf.Tensor, labels: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """Trains on this worker's batch; returns what `Totals.add` takes, of all workers together."""
        strategy = self._distribution.strategy
        sums = strategy.run(self._train_replica, args=(images, labels, weight))
        total: tf.Tensor = strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)
        return total

    def _train_replica(self, images: tf.Tensor, labels: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        images, labels, weights = self._own_part(images, labels, weight)
        context = tf.distribute.get_replica_context()
        count = tf.reduce_sum(weights)
        everywhere = count
        if self._distribution.num_replicas > 1:
            everywhere = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
        given, wanted = self._objective.prepare(images, labels)
        with tf.GradientTape() as tape:
            measured = self._objective.measure(wanted, self._model(given, training=True))
            penalty = self._penalty()
            loss = tf.reduce_sum(measured[:, 0] * weights) / everywhere + penalty / self._distribution.num_replicas
            scaled = self._optimizer.scale_loss(loss)
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(scaled, variables), variables)
        return _sum_up(measured, weights, penalty)

    def _own_part(
        self, images: tf.Tensor, labels: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns this device's part of the worker's batch, and how often each example counts."""
        size, number = tf.shape(labels)[0], self._distribution.num_local_replicas
        if number == 1:
            return images, labels, tf.fill([size], weight)
        index = tf.distribute.get_replica_context().replica_id_in_sync_group % number
        first, last = shares.cut(size, index, number)
        # A device for which nothing is left takes an example that doesn't count, since all must take part.
        is_empty = first == last
        weight = tf.where(is_empty, 0.0, weight)
        first, last = tf.where(is_empty, 0, first), tf.where(is_empty, 1, last)
        return images[first:last], labels[first:last], tf.fill([last - first], weight)

    def _average_all(self) -> None:
        def average() -> None:
            # Not the variables' own tensors, which know no device, where the reduction wants to leave its result.
            values = [tf.identity(variable.value) for variable in self._moving]
            context = tf.distribute.get_replica_context()
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
            for variable, mean in zip(self._moving, means, strict=True):
                variable.assign(mean)

        self._distribution.strategy.run(average)

    def _average_over_workers(self, values: tf.Tensor) -> tf.Tensor:
        strategy, number = self._distribution.strategy, self._distribution.num_replicas
        total: tf.Tensor = strategy.reduce(
            tf.distribute.ReduceOp.SUM, strategy.run(lambda own: own / number, args=(values,)), axis=None
        )
        return total

    def _evaluate_once(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        given, wanted = self._objective.prepare(images, labels)
        measured = self._objective.measure(wanted, self._model(given, training=False))
        return _sum_up(measured, tf.ones(tf.shape(labels)), tf.constant(0.0))

    def _penalty(self) -> tf.Tensor:
        """Returns the sum of all penalties on weights."""
        return tf.add_n(self._model.losses) if self._model.losses else tf.constant(0.0)


def _moving_averages(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that each device moves on by itself: those of batch normalisation that isn't frozen."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    return [part for layer in layers if layer.trainable for part in (layer.moving_mean, layer.moving_variance)]


def _sum_up(measured: tf.Tensor, weights: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    """Returns what `Totals.add` takes, without any waiting."""
    weights = tf.cast(weights, tf.float64)
    sums = tf.linalg.matvec(tf.cast(measured, tf.float64), weights, transpose_a=True)
    count = tf.reduce_sum(weights)
    return tf.concat([[count, 0.0, count * tf.cast(penalty, tf.float64)], sums], 0)
