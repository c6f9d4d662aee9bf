"""Reading bytes inside a TensorFlow graph: never out of bounds, every number an int64 scalar."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

# Zeros behind the last byte, so that a window at the very end is as long as any other.
_PADDING_BYTES = 64


@dataclass(frozen=True, slots=True)
class Bytes:
    """A whole file, or a block of one.

    Attributes:
        values: uint8, (size + padding,): the bytes, then zeros.
        size: int64 scalar, how many bytes there really are.
    """

    values: tf.Tensor
    size: tf.Tensor


def read_bytes(data: tf.Tensor) -> Bytes:
    """Takes a string scalar apart."""
    values = tf.io.decode_raw(data, tf.uint8)
    return Bytes(tf.pad(values, [[0, _PADDING_BYTES]]), tf.size(values, tf.int64))


def block(data: Bytes, start: tf.Tensor, end: tf.Tensor) -> Bytes:
    """Takes the bytes from `start` to before `end`, as many of them as there are."""
    start = tf.clip_by_value(start, 0, data.size)
    values = data.values[start : tf.clip_by_value(end, start, data.size)]
    return Bytes(tf.pad(values, [[0, _PADDING_BYTES]]), tf.size(values, tf.int64))


def window(data: Bytes, at: tf.Tensor | int, length: int) -> tf.Tensor:
    """Reads `length` (at most 64) bytes as int64, (length,); zeros beyond the end."""
    start = tf.clip_by_value(tf.cast(at, tf.int64), 0, data.size)
    return tf.cast(tf.slice(data.values, [start], [length]), tf.int64)


def big(values: tf.Tensor) -> tf.Tensor:
    """Reads the last axis, at most 7 bytes, as one big-endian number."""
    length = values.shape[-1]
    return tf.reduce_sum(values * [256**i for i in reversed(range(length))], axis=-1)


def little(values: tf.Tensor) -> tf.Tensor:
    """Reads the last axis, at most 7 bytes, as one little-endian number."""
    length = values.shape[-1]
    return tf.reduce_sum(values * [256**i for i in range(length)], axis=-1)


def equals(values: tf.Tensor, expected: bytes) -> tf.Tensor:
    """Tells whether a window holds these bytes."""
    return tf.reduce_all(tf.equal(values, list(expected)))


def is_in(value: tf.Tensor, choices: tuple[int, ...]) -> tf.Tensor:
    """Tells whether a number is one of a few."""
    return tf.reduce_any(tf.equal(value, tf.constant(choices, tf.int64)))
