"""Finds a JPEG whose scan ends early, inside the graph: TensorFlow fills up with grey and says nothing.

The decoder hides its warnings there, so a JPEG that may be cut is decoded once more with a few bytes put behind its
last scan. A decoder that has all it needs passes over them; one that ran out of data shows them as pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from etl.images.graph.bytes import Bytes, window
from etl.images.graph.headers import GraphHeader
from etl.images.scans import END_MARK

_PROGRESSIVE, _SCAN, _END = 0xC2, 0xDA, 0xD9
# Coefficients of a block, components of a frame, and what `scans` takes for "nothing has come yet".
_BLOCK, _MOST_COMPONENTS, _ALL_BITS = 64, 4, 32

# Between the frame header and the first scan are Huffman tables, 432 bytes at the most for all four.
_LOOKAHEAD_BYTES = 2048
# Progressive files have about 10 scans.
_MAX_SCANS = 512
# Rows and columns of a block, and what rounding adds to its luma.
_BLOCK_SIDE, _LUMA_ERROR = 8, 1.0

# The first bit tells a decoder that ran out from one that goes on with zeros. No byte is 255: no marker is among them.
_FILLER = bytes([0xB5, *(37 * i % 251 for i in range(1, 64))])


def is_whole(
    data: tf.Tensor, parts: Bytes, header: GraphHeader, pixels: tf.Tensor, decode: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Tells whether all pixels of a JPEG were decoded from data.

    It doesn't see that part of the last block is missing, or of the last scan of a progressive file, where an end mark
    follows all the same: asking the decoder makes it complain, of good files too, on standard error.

    Args:
        data: string scalar, the file.
        parts: Its bytes.
        header: Of the file; `start` is where its frame header is.
        pixels: uint8, (H, W, 3), what `decode` made of it.
        decode: The decoder.

    Returns:
        bool scalar.
    """
    is_grey = _ends_in_grey(pixels)
    is_ordinary = (tf.strings.substr(data, -2, 2) == END_MARK) & _is_one_scan(parts, header) & ~is_grey
    return tf.cond(
        is_ordinary, lambda: tf.constant(True), lambda: _examine(data, parts, header, pixels, is_grey, decode)
    )


def _ends_in_grey(pixels: tf.Tensor) -> tf.Tensor:
    """Tells whether the last block may be one without data: its luma is 128, its colours may be its neighbours'."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    top, left = (height - 1) // _BLOCK_SIDE * _BLOCK_SIDE, (width - 1) // _BLOCK_SIDE * _BLOCK_SIDE
    luma = tf.tensordot(tf.cast(pixels[top:, left:], tf.float32), [0.299, 0.587, 0.114], 1)
    return tf.reduce_all(tf.abs(luma - 128.0) < _LUMA_ERROR)


def _is_one_scan(parts: Bytes, header: GraphHeader) -> tf.Tensor:
    """Tells whether the first scan holds all that there is."""
    near = parts.values[header.start : header.start + _LOOKAHEAD_BYTES]
    is_scan = (near[:-5] == 0xFF) & (near[1:-4] == _SCAN)
    counts = tf.boolean_mask(near[4:-1], is_scan)
    is_full = tf.concat([counts, [0]], axis=0)[0] == near[9]
    return is_full & (near[1] != _PROGRESSIVE)


def _examine(
    data: tf.Tensor,
    parts: Bytes,
    header: GraphHeader,
    pixels: tf.Tensor,
    is_grey: tf.Tensor,
    decode: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Looks for every scan, and decodes once more where the last one has no end or leaves grey behind."""
    first, second = parts.values[:-1], parts.values[1:]
    # Within a scan 255 is followed by 0, or by the marker of a restart.
    is_marker = (first == 0xFF) & (second > 0) & (second < 0xFF) & ~((second >= 0xD0) & (second <= 0xD7))
    markers = tf.where(is_marker)[:, 0]
    markers = tf.boolean_mask(markers, markers >= header.start)
    kinds = tf.gather(second, markers)
    scans = tf.boolean_mask(markers, kinds == _SCAN)
    ends = tf.boolean_mask(markers, (kinds == _END) & (markers > _smallest(scans, parts.size)))
    scans = tf.boolean_mask(scans, scans < _smallest(ends, parts.size))[:_MAX_SCANS]
    last = tf.reduce_max(tf.concat([scans, [header.start]], axis=0))
    stop = _smallest(tf.boolean_mask(markers, markers > last), parts.size)

    def ignores_filler() -> tf.Tensor:
        head = tf.strings.substr(data, tf.constant(0, tf.int64), stop)
        # Behind a lone 255 the filler would be a marker.
        head += tf.where(parts.values[stop - 1] == 0xFF, b"\0", b"")
        probe = head + _FILLER + tf.strings.substr(data, stop, parts.size - stop) + END_MARK
        return tf.reduce_all(decode(probe) == pixels)

    has_all = tf.cond((tf.size(ends) > 0) & ~is_grey, lambda: tf.constant(True), ignores_filler)
    return has_all & _has_every_scan(parts, header, scans)


def _smallest(values: tf.Tensor, default: tf.Tensor) -> tf.Tensor:
    return tf.reduce_min(tf.concat([values, [default]], axis=0))


def _has_every_scan(parts: Bytes, header: GraphHeader, scans: tf.Tensor) -> tf.Tensor:
    """Does as `scans.has_every_scan`, for all scans at once."""
    frame = window(parts, header.start, 22)
    is_progressive = frame[1] == _PROGRESSIVE
    components = frame[10:22:3]
    is_component = tf.range(_MOST_COMPONENTS, dtype=tf.int64) < frame[9]
    places = scans[:, tf.newaxis] + tf.range(5 + 2 * _MOST_COMPONENTS + 3, dtype=tf.int64)
    heads = tf.cast(tf.gather(parts.values, tf.minimum(places, parts.size)), tf.int64)
    count = heads[:, 4]
    is_listed = tf.range(_MOST_COMPONENTS, dtype=tf.int64) < count[:, tf.newaxis]
    listed = heads[:, 5:13:2]
    # (scan, component of the frame)
    is_sent = tf.reduce_any(
        (listed[:, :, tf.newaxis] == components) & is_listed[:, :, tf.newaxis] & is_component, axis=1
    )
    ranges = tf.gather(heads, 5 + 2 * tf.minimum(count, _MOST_COMPONENTS)[:, tf.newaxis] + [[0, 1, 2]], batch_dims=1)
    zero = tf.zeros_like(count)
    start, end = tf.where(is_progressive, ranges[:, 0], zero), tf.where(is_progressive, ranges[:, 1], zero + _BLOCK - 1)
    bits = tf.where(is_progressive, ranges[:, 2] % 16, zero)
    coefficients = tf.range(_BLOCK, dtype=tf.int64)
    is_in_range = (coefficients >= start[:, tf.newaxis]) & (coefficients <= end[:, tf.newaxis])
    # (scan, component, coefficient); bits only ever become fewer.
    missing = tf.where(
        is_sent[:, :, tf.newaxis] & is_in_range[:, tf.newaxis],
        bits[:, tf.newaxis, tf.newaxis],
        tf.constant(_ALL_BITS, tf.int64),
    )
    # Of no scan at all the smallest is the largest number there is.
    return tf.reduce_all((tf.reduce_min(missing, axis=0) == 0) | ~is_component[:, tf.newaxis])
