"""JPEG 2000 inside the graph, by tensorflow-io's OpenJPEG: the header read here, the pixels there.

Taken is what nearly every writer makes: a JP2 file of a header and one codestream, in one tile. tensorflow-io decodes
no bare codestream and no second tile, and knows nothing of palettes.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from etl.images.graph.bytes import Bytes, big, equals, is_in, window
from etl.images.graph.headers import GraphHeader, first_flaw
from etl.images.header import MAX_JP2_BYTES, Flaw

# The box that says which channel is alpha, as it stands in an RGBA file.
_RGBA_CHANNELS = bytes.fromhex("00000022 63646566 0004 0000 0000 0001 0001 0000 0002 0002 0000 0003 0003 0001 0000")
_HEADER_BYTES, _COLOUR_BYTES = 22, 15
_GREY, _SRGB = 17, 16


def read(data: Bytes) -> GraphHeader:
    """Reads the boxes up to the codestream, and its first segment."""
    at = 12 + big(window(data, 12, 4))
    head = window(data, at, 64)
    header, colour, channels = head[8:30], head[30:45], window(data, at + 45, len(_RGBA_CHANNELS))
    height, width, samples = big(header[8:12]), big(header[12:16]), big(header[16:18])
    has_alpha = samples == 4
    expected_bytes = 8 + _HEADER_BYTES + _COLOUR_BYTES + tf.cast(has_alpha, tf.int64) * len(_RGBA_CHANNELS)
    space = big(colour[11:15])
    is_jp2 = (
        equals(window(data, 16, 4), b"ftyp")
        & equals(head[4:8], b"jp2h")
        & (big(head[:4]) == expected_bytes)
        & (big(header[:4]) == _HEADER_BYTES)
        & equals(header[4:8], b"ihdr")
        # 8 bits, none of them a sign; compressed by the standard's own method.
        & (header[18] == 7)
        & (header[19] == 7)
        & (big(colour[:4]) == _COLOUR_BYTES)
        & equals(colour[4:8], b"colr")
        & (colour[8] == 1)
        & tf.where(samples == 1, space == _GREY, is_in(samples, (3, 4)) & (space == _SRGB))
        & (~has_alpha | equals(channels, _RGBA_CHANNELS))
    )
    start = at + expected_bytes
    flaw = first_flaw(
        ((data.size < 12 + 8 + 45) | (start + 8 + 54 > data.size), Flaw.TRUNCATED),
        (~is_jp2 | ~_is_plain_stream(data, start, height, width, samples), Flaw.ODD_JP2),
        ((height == 0) | (width == 0), Flaw.CORRUPT),
        (~_has_end(data, start), Flaw.TRUNCATED),
        (data.size >= MAX_JP2_BYTES, Flaw.LARGE_JP2),
    )
    return GraphHeader(flaw, height, width, has_alpha=has_alpha)


def _is_plain_stream(
    data: Bytes, start: tf.Tensor, height: tf.Tensor, width: tf.Tensor, samples: tf.Tensor
) -> tf.Tensor:
    """Tells whether the box at `start` is a codestream of one tile, as large as the header says, in full colour."""
    size = window(data, start + 8, 54)
    parts = tf.reshape(size[42:54], [4, 3])
    is_part = tf.range(4, dtype=tf.int64) < samples
    return (
        equals(window(data, start + 4, 4), b"jp2c")
        & equals(size[:4], b"\xff\x4f\xff\x51")
        & (big(size[8:12]) == width)
        & (big(size[12:16]) == height)
        & tf.reduce_all(size[16:24] == 0)
        & (big(size[24:28]) >= width)
        & (big(size[28:32]) >= height)
        & tf.reduce_all(size[32:40] == 0)
        & (big(size[40:42]) == samples)
        & tf.reduce_all(tf.reduce_all(parts == [7, 1, 1], axis=1) | ~is_part)
    )


def _has_end(data: Bytes, start: tf.Tensor) -> tf.Tensor:
    """Tells whether a codestream's end mark comes after `start`."""
    values = data.values[tf.minimum(start, data.size) : data.size + 1]
    return tf.reduce_any((values[:-1] == 0xFF) & (values[1:] == 0xD9))


def decode(operations: Any, data: tf.Tensor) -> tf.Tensor:
    """Decodes the pixels.

    Args:
        operations: What `extra.load` gave.
        data: string scalar, the file, whose header has been found good.

    Returns:
        uint8, (height, width, 3), or (height, width, 4) where there is alpha.
    """
    pixels = operations.io_decode_jpeg2k(data, dtype=tf.uint8)
    is_grey = tf.shape(pixels)[2] == 1
    return tf.cond(is_grey, lambda: tf.repeat(pixels, 3, axis=2), lambda: pixels)
