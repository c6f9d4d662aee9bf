"""A data set that can't be read in the middle of a run: which record of which shard, or which image, and what to do."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from etl.errors import DatasetError, one_line
from etl.format import schema
from etl.images.messages import explain
from etl.words import quantity
from trainer.ingest import decode, managed, order
from trainer.ingest import plan as plans

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.data import Data
    from trainer.ingest.plan import Plan

# For each of two searches: a shard of 100 MB is read in less than one, a bucket of terabytes never.
_SEARCH_SECONDS = 60.0
_MAX_CHARACTERS = 200
_ITERATORS = re.compile(r".*\bIterator::\S+: ", re.DOTALL)


@contextmanager
def reading(config: TrainConfig, data: Data, split: str) -> Iterator[None]:
    """Makes one line of a data set that fails while the block reads it.

    Args:
        config: The run's.
        data: What is read.
        split: Which of its splits.

    Raises:
        DatasetError: a shard or an image is damaged, missing or may not be read; it is named, with what to do.
    """
    kinds = (
        *(tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError),
        *(tf.errors.PermissionDeniedError, tf.errors.FailedPreconditionError, tf.errors.UnknownError),
    )
    try:
        yield
    except kinds as error:
        # Only an input's own errors come out of an iterator; the model's are bugs.
        if not (isinstance(error, tf.errors.DataLossError) or "IteratorGetNext" in str(error)):
            raise
        raise DatasetError(_describe(config, data, split, error)) from error


def check_count(config: TrainConfig, data: Data, split: str, found: int, expected: int) -> None:
    """Checks that a split gave as many examples as its manifest promises.

    Raises:
        DatasetError: it gave fewer, or more.
    """
    if found != expected:
        raise DatasetError(
            f"{config.data_dir}: {data.variant}/{split} holds {quantity(found, 'example')}, and the manifest says "
            f"{expected:,}; {_remedy(config)}"
        )


def _remedy(config: TrainConfig) -> str:
    return (
        f"python -m etl.inspect {config.data_dir} checks every shard, python -m etl.run with --overwrite writes them "
        "anew, and the same command with --resume goes on"
    )


def _describe(config: TrainConfig, data: Data, split: str, error: tf.errors.OpError) -> str:
    plan = plans.resolve(config.data_dir, split, data.config(config), data.variant)
    found = find(plan)
    where = f"{config.data_dir}: {data.variant}/{split}"
    if data.variant == managed.VARIANT:
        what = found or f"an image: {_reason(error)}"
        return f"{where} can't be read: {what}; replace it, and the same command with --resume goes on"
    what = found or f"a record: {_reason(error)}"
    return f"{where} can't be read: {what}; {_remedy(config)}"


def find(plan: Plan) -> str:
    """Finds the first record that can't be read, in the manifest's order: first by checksums, then by decoding.

    Args:
        plan: Of the split that failed.

    Returns:
        The record's place and what is wrong with it; "" where none is found in two minutes.
    """
    return _search(plan, None) or _search(plan, decode.example_decoder(plan))


def _search(plan: Plan, decoder: Callable[..., Any] | None) -> str:
    deadline = time.monotonic() + _SEARCH_SECONDS
    for path in plan.paths:
        records = order.read_file(plan, path)
        if decoder is not None:
            # In order, so that the number of those that come tells which one doesn't.
            records = records.map(
                lambda record: decoder(tf.constant(0, tf.int64), record), num_parallel_calls=plan.map_parallelism
            )
        number = 0
        try:
            for _ in records:
                number += 1
                if time.monotonic() > deadline:
                    return ""
        except tf.errors.OpError as error:
            return f"{_name(plan, path, number)}: {_reason(error)}"
    return ""


def _reason(error: tf.errors.OpError) -> str:
    """Returns what is wrong, without the names of the iterators that it came through."""
    return one_line(explain(_ITERATORS.sub("", error.message)))[:_MAX_CHARACTERS]


def _name(plan: Plan, path: str, number: int) -> str:
    """Names a record of a shard, counted from 0, or the image that it refers to."""
    if plan.variant.encoding.is_reference:
        record = next(iter(order.read_file(plan, path).skip(number)))
        uri = tf.io.parse_single_example(record, schema.feature_spec({"uri": managed.FEATURES["uri"]}))["uri"]
        return f"the image {uri.numpy().decode(errors='replace')}"
    return f"record {number + 1} of {os.path.basename(path)}"
