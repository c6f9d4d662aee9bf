"""Headers read inside the graph, to the letter as `sniff` reads them; JPEG and PNG are in `walks`."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from etl.images.graph.bytes import Bytes, equals, is_in, little, window
from etl.images.header import FORMATS, SIGNATURES, Flaw


@dataclass(frozen=True, slots=True)
class GraphHeader:
    """A header's facts, each an int64 scalar but `has_alpha`, a bool scalar.

    Attributes:
        flaw: A `Flaw`; where it isn't `NONE` the rest means nothing.
        height: Rows as stored.
        width: Columns as stored.
        orientation: 1-8.
        has_alpha: PNG: it has an alpha channel or a see-through colour.
        bits: BMP: 24 or 32 bits a pixel; positive where the rows go from bottom to top, else negative.
        start: BMP: where the pixels begin; JPEG: where the frame header does.
    """

    flaw: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    orientation: tf.Tensor | int = 1
    has_alpha: tf.Tensor | bool = False
    bits: tf.Tensor | int = 0
    start: tf.Tensor | int = 0


def find_format(data: Bytes) -> tf.Tensor:
    """Matches the first bytes with `SIGNATURES`.

    Returns:
        int32 scalar: an index of `FORMATS`, `len(FORMATS)` for what is known but not decoded, one more for no image.
    """
    patterns = [pattern.split() for _, pattern in SIGNATURES]
    longest = max(map(len, patterns))
    rows = [pattern + ["??"] * (longest - len(pattern)) for pattern in patterns]
    masks = tf.constant([[0 if part == "??" else 255 for part in row] for row in rows], tf.uint8)
    values = tf.constant([[0 if part == "??" else int(part, 16) for part in row] for row in rows], tf.uint8)
    branches = [FORMATS.index(name) if name in FORMATS else len(FORMATS) for name, _ in SIGNATURES]
    head = data.values[:longest]
    matches = tf.reduce_all(tf.bitwise.bitwise_and(head, masks) == values, axis=1)
    matches &= data.size >= tf.constant([len(pattern) for pattern in patterns], tf.int64)
    first = tf.argmax(tf.concat([matches, [True]], axis=0), output_type=tf.int32)
    return tf.constant([*branches, len(FORMATS) + 1])[first]


def bmp_header(data: Bytes) -> GraphHeader:
    """Reads a BMP's header."""
    head = window(data, 0, 54)
    start, header_bytes, depth = little(head[10:14]), head[14], little(head[28:30])
    width, height = _signed(little(head[18:22])), _signed(little(head[22:26]))
    row_bytes = width * depth // 8
    needed = start + (tf.abs(height) - 1) * ((row_bytes + 3) // 4 * 4) + row_bytes
    is_core = header_bytes == 12
    flaw = first_flaw(
        ((data.size < 26) | (~is_core & (header_bytes >= 40) & (data.size < 54)), Flaw.TRUNCATED),
        (is_core, tf.where((little(head[18:20]) > 0) & (little(head[20:22]) > 0), Flaw.ODD_BMP, Flaw.CORRUPT)),
        ((header_bytes < 40) | (width <= 0) | (height == 0), Flaw.CORRUPT),
        ((little(head[30:34]) != 0) | ~is_in(depth, (24, 32)), Flaw.ODD_BMP),
        (start < 14 + header_bytes, Flaw.CORRUPT),
        (needed > data.size, Flaw.TRUNCATED),
    )
    return GraphHeader(flaw, tf.abs(height), width, bits=tf.where(height > 0, depth, -depth), start=start)


def webp_header(data: Bytes) -> GraphHeader:
    """Reads the header of a WebP of one chunk: alpha, animation, orientation and notes are in files of several."""
    head = window(data, 0, 30)
    kind, bits = head[12:16], little(head[21:25])
    is_lossy = equals(kind, b"VP8 ") & equals(head[23:26], b"\x9d\x01\x2a") & (data.size >= 30)
    is_lossless = equals(kind, b"VP8L") & (head[20] == 0x2F)
    width = tf.where(is_lossy, little(head[26:28]) % 16384, bits % 16384 + 1)
    height = tf.where(is_lossy, little(head[28:30]) % 16384, bits // 16384 % 16384 + 1)
    has_alpha = is_lossless & (bits // (1 << 28) % 2 == 1)
    flaw = first_flaw(
        ((data.size < 25) | (little(head[4:8]) + 8 > data.size), Flaw.TRUNCATED),
        (equals(kind, b"VP8X") | has_alpha, Flaw.ODD_WEBP),
        (~(is_lossy | is_lossless) | (width == 0) | (height == 0), Flaw.CORRUPT),
    )
    return GraphHeader(flaw, height, width)


def first_flaw(*tests: tuple[tf.Tensor, tf.Tensor | int]) -> tf.Tensor:
    """Returns the flaw of the first test that holds, as int64; `Flaw.NONE` where none does."""
    flaw = tf.constant(Flaw.NONE, tf.int64)
    for holds, value in reversed(tests):
        flaw = tf.where(holds, tf.cast(value, tf.int64), flaw)
    return flaw


def _signed(value: tf.Tensor) -> tf.Tensor:
    return tf.where(value >= 1 << 31, value - (1 << 32), value)
