"""The training objective of a model: its inputs and targets from a batch of the data set, and its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from trainer.layers import Grayscale
from trainer.models import METRICS


@dataclass(frozen=True, slots=True)
class Objective:
    """How a batch becomes a loss; all of it in the graph, on the device.

    Attributes:
        metrics: Names of what `measure` returns: `loss` first.
        prepare: From a data set's batch, (uint8 (B, H, W, 3) or float32 (B, 1280), int32 (B,)), to what the model takes
            and what it should give.
        measure: From what it should give and what it gave to float32 (B, M), a column a metric.
    """

    metrics: tuple[str, ...]
    prepare: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    measure: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def make_objective(gives: str) -> Objective:
    """Makes the objective of a kind of model: `classes` or `colours`, as `ModelSpec.gives` says."""
    if gives == "classes":
        return Objective(METRICS[gives], _keep, _measure_classes)
    return Objective(METRICS[gives], _to_grey_and_colour, _measure_colours)


def _keep(values: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return values, labels


def _measure_classes(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """Cross-entropy in nats, and 1 where the likeliest class is the right one."""
    losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    is_right = tf.argmax(probabilities, axis=-1, output_type=tf.int32) == labels
    return tf.stack([losses, tf.cast(is_right, losses.dtype)], axis=1)


def _to_grey_and_colour(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 (B, H, W, 1) and (B, H, W, 3), both in [-1, 1]."""
    colours = tf.cast(images, tf.float32) / 255.0
    return Grayscale(dtype="float32")(colours) * 2.0 - 1.0, colours * 2.0 - 1.0


def _measure_colours(colours: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Mean squared error of an image, in units of [-1, 1]."""
    return tf.reduce_mean(tf.square(tf.cast(predicted, tf.float32) - colours), axis=[1, 2, 3])[:, tf.newaxis]
