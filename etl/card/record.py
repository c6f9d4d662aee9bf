"""Reads single features of a stored example without TensorFlow, whose import takes ten times longer than a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

# Field numbers of tensorflow/core/example/{example,feature}.proto.
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_LENGTH_DELIMITED = 2
_SIGN_BIT = 1 << 63

Value = memoryview | np.ndarray | tuple[int, ...]


def decode_features(record: bytes, names: Collection[str]) -> dict[str, Value]:
    """Reads the features asked for from an example as `etl.format.schema.encode_example` writes it.

    Args:
        record: A `tf.train.Example` message with packed lists.
        names: Of the features; those that the example lacks are left out.

    Returns:
        Name to the one value of a bytes list (a view of the record), a float list as float32 (N,), or an int64 list.

    Raises:
        ValueError: no such message.
    """
    found: dict[str, Value] = {}
    for _, features in _fields(memoryview(record)):
        for _, entry in _fields(features):
            parts = dict(_fields(entry))
            name = bytes(parts.get(1, b"")).decode()
            if name in names and parts.get(2):
                found[name] = _decode(name, parts[2])
    return found


def _decode(name: str, feature: memoryview) -> Value:
    ((kind, values),) = _fields(feature)
    if kind == _BYTES_LIST:
        items = [item for _, item in _fields(values)]
        if len(items) != 1:
            raise ValueError(f"feature {name!r} has {len(items)} values")
        return items[0]
    packed = next((part for _, part in _fields(values)), memoryview(b""))
    if kind == _FLOAT_LIST:
        return np.frombuffer(packed, "<f4")
    if kind == _INT64_LIST:
        return tuple(_varints(packed))
    raise ValueError(f"feature {name!r} is of the unknown kind {kind}")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields the number and content of a message's fields, all of which have a length."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        if tag & 7 != _LENGTH_DELIMITED or at + length > len(data):
            raise ValueError(f"no example: its byte {at} begins no field")
        yield tag >> 3, data[at : at + length]
        at += length


def _varints(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value - 2 * _SIGN_BIT if value & _SIGN_BIT else value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Returns the number that starts at a byte, and where the next one starts."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("no example: a number in it does not end")
