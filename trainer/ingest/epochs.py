"""The epochs that an iteration over a data set gives: always the same ones, or those after the iteration before."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer.ingest import service
from trainer.ingest.config import host_port
from trainer.ingest.plan import Plan

# Times the parts of an epoch it is still an int64.
_MAX_EPOCH = 2**56
# Epochs between the beginnings of two iterations that don't end: neither ever comes to where the next one began.
_STRIDE = 2**32

# Makes batches of the parts of epochs, from a step on; None for what `start_step` says of the first epoch alone.
MakeBatches = Callable[["tf.data.Dataset", int | None], "tf.data.Dataset"]


def repeat(plan: Plan, num_epochs: int | None, make: MakeBatches) -> tf.data.Dataset:
    """Makes batches of the same epochs at every iteration.

    Args:
        plan: What to read.
        num_epochs: How many epochs; None for no end.
        make: Makes the batches.
    """
    first, last = _bounds(plan, num_epochs, 0)
    if not plan.config.start_step or first == last:
        return make(_parts(plan, first, last), 0)
    # A data set of its own for the epoch that is cut, so that in the others nothing has to be looked at.
    batches = make(tf.data.Dataset.range(first, first + 1), plan.config.start_step)
    return batches.concatenate(make(tf.data.Dataset.range(first + 1, last), 0))


def advance(plan: Plan, num_epochs: int | None, make: MakeBatches) -> tf.data.Dataset:
    """Makes batches of other epochs at each iteration, as `repeat` does: iteration k goes on where k - 1 ended."""

    def begin(iteration: tf.Tensor) -> tf.data.Dataset:
        return _parts(plan, *_bounds(plan, num_epochs, iteration))

    number = itertools.count()
    # In Python, not in a variable: within a strategy's scope that would be one for each device.
    iterations = call(lambda: np.int64(next(number)), tf.int64)
    parts = iterations.flat_map(tf.autograph.experimental.do_not_convert(begin))
    return make(parts, None if plan.config.start_step else 0)


def advance_service(plan: Plan, num_epochs: int | None, make: MakeBatches) -> tf.data.Dataset:
    """Does what `advance` does where a tf.data service makes the batches: each iteration registers its epochs there."""

    def prepare(iteration: int) -> tf.data.Dataset:
        return make(_parts(plan, *_bounds(plan, num_epochs, iteration)), 0)

    number = itertools.count()
    spec = prepare(0).element_spec
    ids = call(lambda: register(plan, prepare(next(number))).numpy(), tf.string)
    return ids.flat_map(tf.autograph.experimental.do_not_convert(lambda name: from_service(plan, name, spec)))


def register(plan: Plan, batches: tf.data.Dataset) -> tf.Tensor:
    """Registers a data set with the tf.data service; returns its id there, a string scalar."""
    # It may have gone since the epoch before.
    service.check_reachable("service_address", _address(plan))
    # Pixels hardly shrink, and packing them takes as long as decoding.
    return tf.data.experimental.service.register_dataset(_address(plan), batches, compression=None)


def from_service(plan: Plan, name: tf.Tensor, spec: object) -> tf.data.Dataset:
    """Has a tf.data service make a registered data set's batches, each part of an epoch by the next free worker."""
    service = tf.data.experimental.service
    return service.from_dataset_id(service.ShardingPolicy.DYNAMIC, _address(plan), name, element_spec=spec)


def _address(plan: Plan) -> str:
    return f"grpc://{host_port(plan.config.service_address)}"


def _bounds(plan: Plan, num_epochs: int | None, iteration: int | tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
    """Returns the first and last (exclusive) epoch of an iteration, counted from 0."""
    if num_epochs is None:
        return plan.first_epoch + iteration * _STRIDE, _MAX_EPOCH
    first = plan.first_epoch + iteration * num_epochs
    return first, first + num_epochs


def _parts(plan: Plan, first: int | tf.Tensor, last: int | tf.Tensor) -> tf.data.Dataset:
    return tf.data.Dataset.range(first * plan.num_parts, last * plan.num_parts)


def call(function: Callable[[], object], dtype: tf.DType) -> tf.data.Dataset:
    """Makes a data set of one scalar, which a Python function returns as an iteration asks for its first batch."""

    def ask(_: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(function, [], dtype), [])

    return tf.data.Dataset.range(1).map(tf.autograph.experimental.do_not_convert(ask))
