"""Walks through JPEG and PNG files inside the graph, to the letter as `sniff` walks.

The loops are bounded, so that no file keeps a server busy; the bounds and the names of the flaws are `header`'s.
"""

from __future__ import annotations

import tensorflow as tf

from etl.images.graph.bytes import Bytes, big, block, equals, is_in, window
from etl.images.graph.exif import parse_orientation
from etl.images.graph.headers import GraphHeader, first_flaw
from etl.images.header import MAX_SEGMENTS, Flaw

# States of a walk; a positive one is the flaw that ended it.
_WALKING, _FOUND = 0, -1

# Kinds of JPEG markers; the first two are also how many bytes to pass over.
_JUNK, _STANDALONE, _SEGMENT, _APP1, _FRAME, _END = 1, 2, 3, 4, 5, 6


def _marker_kind(marker: int) -> int:
    """Returns the kind of what follows a byte of 255."""
    special = {0xFF: _JUNK, 0xE1: _APP1, 0xD9: _END, 0xDA: _END, 0xC4: _SEGMENT, 0xC8: _SEGMENT, 0xCC: _SEGMENT}
    if marker in special:
        return special[marker]
    if marker <= 0x01 or 0xD0 <= marker <= 0xD8:
        return _STANDALONE
    return _FRAME if 0xC0 <= marker <= 0xCF else _SEGMENT


_MARKER_KINDS = [_marker_kind(marker) for marker in range(256)]


def jpeg_header(data: Bytes) -> GraphHeader:
    """Walks a JPEG's segments to its frame header."""
    kinds = tf.constant(_MARKER_KINDS, tf.int64)

    def walk(
        step: tf.Tensor, at: tf.Tensor, state: tf.Tensor, exif_start: tf.Tensor, exif_end: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        values = window(data, at, 10)
        marker, length = values[1], big(values[2:4])
        kind = tf.where(values[0] == 0xFF, kinds[marker], _JUNK)
        is_segment = kind >= _SEGMENT
        broken = (kind == _END) | (is_segment & (length < 2))
        in_frame = tf.where(at + 10 > data.size, Flaw.TRUNCATED, _FOUND)
        state = tf.where(broken, Flaw.CORRUPT, tf.where(kind == _FRAME, in_frame, _WALKING))
        state = tf.where(at + 4 > data.size, Flaw.TRUNCATED, state)
        is_exif = (kind == _APP1) & (exif_start == 0) & equals(values[4:], b"Exif\0\0")
        after = at + tf.where(is_segment, 2 + length, kind)
        exif_end = tf.where(is_exif, tf.minimum(after, data.size), exif_end)
        exif_start = tf.where(is_exif, at + 10, exif_start)
        return step + 1, tf.where(state == _WALKING, after, at), state, exif_start, exif_end

    zero = tf.constant(0, tf.int64)
    _, at, state, exif_start, exif_end = tf.while_loop(
        lambda step, at, state, *_: (state == _WALKING) & (step < MAX_SEGMENTS),
        walk,
        (0, tf.constant(2, tf.int64), _WALKING, zero, zero),
        parallel_iterations=1,
    )
    frame = window(data, at, 10)
    marker, components = frame[1], frame[9]
    orientation = _exif_orientation(data, exif_start, exif_end)
    height, width = big(frame[5:7]), big(frame[7:9])
    flaw = first_flaw(
        (state > 0, state),
        ((state != _FOUND) | (height == 0) | (width == 0), Flaw.CORRUPT),
        (is_in(marker, (0xC9, 0xCA)), Flaw.ARITHMETIC_JPEG),
        (marker == 0xC3, Flaw.LOSSLESS_JPEG),
        (marker > 0xC2, Flaw.HIERARCHICAL_JPEG),
        (frame[4] != 8, Flaw.DEEP_JPEG),
        (components == 4, Flaw.CMYK_JPEG),
        ((components != 1) & (components != 3), Flaw.ODD_JPEG),
    )
    return GraphHeader(flaw, height, width, orientation, start=at)


def png_header(data: Bytes) -> GraphHeader:
    """Walks a PNG's chunks to its pixels."""
    head = window(data, 8, 25)
    width, height, depth, colours = big(head[8:12]), big(head[12:16]), head[16], head[17]

    def walk(
        step: tf.Tensor,
        at: tf.Tensor,
        state: tf.Tensor,
        palette: tf.Tensor,
        has_trns: tf.Tensor,
        exif_start: tf.Tensor,
        exif_end: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        values = window(data, at, 8)
        length, kind = big(values[:4]), values[4:]
        at_end = tf.where(equals(kind, b"IDAT"), _FOUND, _WALKING)
        at_end = tf.where((length >= 1 << 31) | equals(kind, b"IEND"), Flaw.CORRUPT, at_end)
        state = tf.where(at + 8 > data.size, Flaw.TRUNCATED, at_end)
        limit = tf.bitwise.left_shift(tf.constant(1, tf.int64), tf.minimum(depth, 8))
        palette = tf.where(equals(kind, b"PLTE"), tf.minimum(length // 3, limit), palette)
        # libpng ignores a tRNS of the wrong length, or before the palette.
        fits_palette = (colours == 3) & (length > 0) & (length <= palette)
        fits = fits_palette | ((colours == 0) & (length == 2)) | ((colours == 2) & (length == 6))
        has_trns |= equals(kind, b"tRNS") & fits
        is_exif = equals(kind, b"eXIf") & (exif_start == 0)
        exif_end = tf.where(is_exif, tf.minimum(at + 8 + length, data.size), exif_end)
        exif_start = tf.where(is_exif, at + 8, exif_start)
        return step + 1, at + 12 + length, state, palette, has_trns, exif_start, exif_end

    zero = tf.constant(0, tf.int64)
    _, _, state, _, has_trns, exif_start, exif_end = tf.while_loop(
        lambda step, at, state, *_: (state == _WALKING) & (step < MAX_SEGMENTS),
        walk,
        (0, tf.constant(8, tf.int64), _WALKING, zero, tf.constant(False), zero, zero),
        parallel_iterations=1,
    )
    sized = (width > 0) & (width < 1 << 31) & (height > 0) & (height < 1 << 31)
    flaw = first_flaw(
        (data.size < 33, Flaw.TRUNCATED),
        (~equals(head[:8], b"\0\0\0\rIHDR") | ~sized, Flaw.CORRUPT),
        (state > 0, state),
        (state != _FOUND, Flaw.CORRUPT),
    )
    orientation = _exif_orientation(data, exif_start, exif_end)
    return GraphHeader(flaw, height, width, orientation, has_alpha=has_trns | is_in(colours, (4, 6)))


def _exif_orientation(data: Bytes, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from a part of the file; 1 where there is none (a start of 0)."""
    return tf.cond(start > 0, lambda: parse_orientation(block(data, start, end)), lambda: tf.constant(1, tf.int64))
