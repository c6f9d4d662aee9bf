"""The orientation in a block of EXIF, inside the graph: `exif.parse_orientation`, to the letter."""

from __future__ import annotations

import tensorflow as tf

from etl.images.exif import LONG, ORIENTATION_TAG, SHORT
from etl.images.graph.bytes import Bytes, big, equals, little, window


def parse_orientation(block: Bytes) -> tf.Tensor:
    """Reads the orientation from a TIFF structure.

    Args:
        block: The structure, from `II` or `MM` to its end.

    Returns:
        int64 scalar, 1-8; 1 (upright) for whatever lies out of bounds or makes no sense.
    """
    head = window(block, 0, 8)
    is_little, is_big = equals(head[:4], b"II*\0"), equals(head[:4], b"MM\0*")
    offset = tf.where(is_little, little(head[4:]), big(head[4:]))
    count = window(block, offset, 2)
    num_entries = tf.where(is_little, little(count), big(count))
    table = offset + 2
    fits = (block.size >= 8) & (is_little | is_big) & (table <= block.size) & (table + 12 * num_entries <= block.size)
    return tf.cond(fits, lambda: _search(block, table, num_entries, is_little), lambda: tf.constant(1, tf.int64))


def _search(block: Bytes, table: tf.Tensor, num_entries: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    """Finds the first orientation entry of a directory that lies within the block."""
    entries = tf.reshape(block.values[table : table + 12 * num_entries], [-1, 12])
    # One entry of zeros behind the last, so that "the first that matches, else the last" always names one.
    entries = tf.cast(tf.pad(entries, [[0, 1], [0, 0]]), tf.int64)
    tags = tf.where(is_little, little(entries[:, :2]), big(entries[:, :2]))
    index = tf.reduce_min(tf.where(tags == ORIENTATION_TAG, tf.range(num_entries + 1), num_entries))
    entry = entries[index]
    kind = tf.where(is_little, little(entry[2:4]), big(entry[2:4]))
    count = tf.where(is_little, little(entry[4:8]), big(entry[4:8]))
    short = tf.where(is_little, little(entry[8:10]), big(entry[8:10]))
    long = tf.where(is_little, little(entry[8:12]), big(entry[8:12]))
    value = tf.where(kind == SHORT, short, long)
    valid = (count == 1) & ((kind == SHORT) | (kind == LONG)) & (value >= 1) & (value <= 8)
    return tf.where(valid, value, tf.constant(1, tf.int64))
