"""AVIF inside the graph, by tensorflow-io's libavif: the header read here, the picture there, its colours mended here.

AV1 decodes to the same luma and chroma everywhere. What tensorflow-io makes of them isn't what Pillow does: it takes
the commonest matrix for another, repeats subsampled chroma instead of interpolating, and centres it half a level too
low. So it is told the matrix by its other number, luma and chroma are found again in its RGB, and from these come
Pillow's pixels, by libyuv's own arithmetic. Only a pixel whose colours were clipped can differ, by a few levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from etl.images.graph.bytes import Bytes, big, equals, is_in, window
from etl.images.graph.headers import GraphHeader, first_flaw
from etl.images.header import Flaw

# Those of photographic images have a few hundred bytes, a colour profile included a few thousand.
_MAX_META_BYTES = 1 << 16

# What makes a file other than a single opaque picture that is shown whole.
_ODD_BOXES = (b"auxC", b"grid", b"iovl", b"tmap", b"clap", b"a1lx", b"lsel")

# ISO 23091-2's two numbers for the matrix of ITU-R BT.601; tensorflow-io knows only the first.
_BT470BG, _BT601 = 5, 6

# Chroma to red, green and blue.
_RED_V, _GREEN_U, _GREEN_V, _BLUE_U = 1.402, 0.344136, 0.714136, 1.772

# tensorflow-io's centre of chroma.
_CENTRE = 127.5

# The guess of chroma was made of three rounded numbers. Of it and its neighbours one gives back exactly these.
_STEPS = [
    [0.0, 0.0],
    [-1.0, 0.0],
    [1.0, 0.0],
    [0.0, -1.0],
    [0.0, 1.0],
    [-1.0, -1.0],
    [-1.0, 1.0],
    [1.0, -1.0],
    [1.0, 1.0],
]

# How far on average, in levels, the RGB that luma and chroma give may be from the one they were found in. It is nearly
# 0 where the header told the truth about the subsampling.
_MAX_MISFIT = 2.0


@dataclass(frozen=True, slots=True)
class Avif:
    """What an AVIF's boxes say.

    Attributes:
        header: As of any format.
        matrix_at: int64 scalar, where the number of the colour matrix is.
        is_full: bool scalar, samples run from 0 to 255, not from 16 to 235 or 240.
        is_grey: bool scalar, there is no chroma.
        halves: int64, (2,): 1 where chroma has half of the rows, and of the columns, else 0.
    """

    header: GraphHeader
    matrix_at: tf.Tensor
    is_full: tf.Tensor
    is_grey: tf.Tensor
    halves: tf.Tensor


def read(data: Bytes) -> Avif:
    """Looks through the boxes before the pixels."""
    meta_at = big(window(data, 0, 4))
    head = window(data, meta_at, 8)
    meta_bytes = tf.minimum(big(head[:4]), _MAX_META_BYTES)
    end = tf.minimum(meta_at + meta_bytes, data.size)
    region = data.values[tf.minimum(meta_at, end) : end + 16]

    def find(kind: bytes) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns how often a box, or the like, is in the header, and where it is first (where its letters are)."""
        length = tf.maximum(tf.size(region, tf.int64) - 16, 0)
        same = tf.reduce_all([region[i : i + length] == byte for i, byte in enumerate(kind)], axis=0)
        first = tf.reduce_min(tf.where(same, tf.range(length), length))
        return tf.math.count_nonzero(same), meta_at + first

    (num_sizes, size_at), (num_codes, code_at), (num_colours, colour_at) = map(find, (b"ispe", b"av1C", b"colrnclx"))
    (num_rotations, rotation_at), (num_mirrors, mirror_at) = find(b"irot"), find(b"imir")
    size, code, colour = window(data, size_at, 16), window(data, code_at, 8), window(data, colour_at, 15)
    width, height = big(size[8:12]), big(size[12:16])
    depth_bits = code[6]
    is_simple = (
        equals(window(data, 4, 8), b"ftypavif")
        & equals(head[4:8], b"meta")
        & (big(head[:4]) <= _MAX_META_BYTES)
        # Behind it pictures that move would have a `moov`.
        & equals(window(data, end + 4, 4), b"mdat")
        & (find(b"av01")[0] == 1)
        & (num_sizes == 1)
        & (num_codes == 1)
        & (num_colours == 1)
        & (num_rotations <= 1)
        & (num_mirrors <= 1)
        & tf.reduce_all([find(kind)[0] == 0 for kind in _ODD_BOXES])
    )
    is_known = is_in(big(colour[12:14]), (_BT470BG, _BT601)) & (depth_bits // 32 % 4 == 0)
    flaw = first_flaw(
        ((data.size < 32) | (meta_at + big(head[:4]) > data.size), Flaw.TRUNCATED),
        (~is_simple | ~is_known, Flaw.ODD_AVIF),
        ((height == 0) | (width == 0), Flaw.CORRUPT),
    )
    orientation = _orientation(
        tf.where(num_rotations == 1, window(data, rotation_at, 5)[4] % 4, 0),
        tf.where(num_mirrors == 1, window(data, mirror_at, 5)[4] % 2, 2),
    )
    return Avif(
        GraphHeader(flaw, height, width, orientation),
        matrix_at=colour_at + 12,
        is_full=colour[14] >= 128,
        is_grey=depth_bits // 16 % 2 == 1,
        halves=tf.stack([depth_bits // 4 % 2, depth_bits // 8 % 2]),
    )


def _orientation(quarters: tf.Tensor, axis: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation of a turn, in quarters anticlockwise, and a mirror: 0, 1, or 2 for none."""
    table = [[4, 2, 1], [5, 7, 8], [2, 4, 3], [7, 5, 6]]
    return tf.constant(table, tf.int64)[quarters, axis]


def decode(operations: Any, data: tf.Tensor, avif: Avif) -> tf.Tensor:
    """Decodes the picture.

    Args:
        operations: What `extra.load` gave.
        data: string scalar, the file, whose header has been found good.
        avif: What `read` said of it.

    Returns:
        uint8, (height, width, 3), as stored, not turned.
    """
    zero, after = tf.constant(0, tf.int64), avif.matrix_at + 2
    renamed = tf.strings.join(
        [
            tf.strings.substr(data, zero, avif.matrix_at),
            tf.constant(bytes([0, _BT470BG])),
            tf.strings.substr(data, after, tf.cast(tf.strings.length(data), tf.int64) - after),
        ]
    )
    pixels = operations.io_decode_avif(renamed)
    # The operation announces 4 channels and gives 3. A picture of another size than announced fails here.
    pixels = tf.reshape(pixels, tf.stack([avif.header.height, avif.header.width, 3]))
    return tf.cond(avif.is_grey, lambda: pixels, lambda: _correct_colours(pixels, avif))


def _correct_colours(pixels: tf.Tensor, avif: Avif) -> tf.Tensor:
    """Turns tensorflow-io's RGB, uint8 (H, W, 3), into Pillow's."""
    luma, blue, red = _unmix(tf.cast(pixels, tf.float32), avif.halves)

    def narrow(values: tf.Tensor, width: int) -> tf.Tensor:
        """Returns samples as they were stored: tensorflow-io had stretched those that don't run from 0 to 255."""
        return tf.cast(tf.where(avif.is_full, values, 16.0 + tf.round(values * (width / 255.0))), tf.int32)

    size = tf.shape(luma)
    chroma = tf.stack([_interpolate(narrow(part, 224), size, avif.halves) for part in (blue, red)])
    return _to_rgb(narrow(luma, 219), chroma[0] - 128, chroma[1] - 128, avif.is_full)


def _unmix(rgb: tf.Tensor, halves: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the luma and the two chromas, whole numbers from 0 to 255, that tensorflow-io made RGB of.

    Args:
        rgb: float32, (H, W, 3).
        halves: As of `Avif`.

    Returns:
        Luma, float32 (H, W), and chroma in its own size.
    """
    is_open = (rgb > 0) & (rgb < 255)
    luma = tf.linalg.matvec(rgb, [0.299, 0.587, 0.114])
    counts = tf.reduce_all(is_open, axis=2)
    guesses = [
        tf.floor(_pool((part - luma) / scale + _CENTRE, counts, halves) + 0.5)
        for part, scale in ((rgb[..., 2], _BLUE_U), (rgb[..., 0], _RED_V))
    ]
    everywhere = tf.ones_like(counts)

    def try_next(
        number: tf.Tensor, cost: tf.Tensor, blue: tf.Tensor, red: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        steps = tf.unstack(tf.constant(_STEPS)[number])
        tried = [tf.clip_by_value(guess + step, 0, 255) for guess, step in zip(guesses, steps, strict=True)]
        mixed = _mix(rgb, is_open, *(_spread(part, tf.shape(luma), halves) for part in tried))[1]
        misfit = _pool(tf.reduce_sum(tf.abs(mixed - rgb), axis=2), everywhere, halves)
        is_better = misfit < cost
        blue, red = tf.where(is_better, tried[0], blue), tf.where(is_better, tried[1], red)
        return number + 1, tf.minimum(misfit, cost), blue, red

    _, best_cost, blue, red = tf.while_loop(
        lambda number, *_: number < len(_STEPS),
        try_next,
        (0, tf.fill(tf.shape(guesses[0]), 1e9), *guesses),
        parallel_iterations=1,
    )
    fits = tf.reduce_mean(best_cost) <= _MAX_MISFIT
    is_right = tf.raw_ops.Assert(condition=fits, data=[tf.constant(Flaw.ODD_AVIF.message)], summarize=1)
    with tf.control_dependencies([is_right]):
        blue, red = tf.identity(blue), tf.identity(red)
    return _mix(rgb, is_open, *(_spread(part, tf.shape(luma), halves) for part in (blue, red)))[0], blue, red


def _mix(rgb: tf.Tensor, is_open: tf.Tensor, blue: tf.Tensor, red: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the luma that goes best with some chroma, (H, W), and the RGB that tensorflow-io makes of the three."""
    blue, red = blue - _CENTRE, red - _CENTRE
    tints = tf.stack([_RED_V * red, -_GREEN_U * blue - _GREEN_V * red, _BLUE_U * blue], axis=2)
    lumas = rgb - tints
    # What was clipped says only that luma is no smaller, or no larger.
    number = tf.reduce_sum(tf.cast(is_open, tf.float32), axis=2)
    total = tf.reduce_sum(tf.where(is_open, lumas, 0.0), axis=2)
    is_bright = tf.reduce_sum(rgb, axis=2) > 382.5
    bound = tf.where(is_bright, tf.reduce_max(lumas, axis=2), tf.reduce_min(lumas, axis=2))
    luma = tf.where(number > 0, total / tf.maximum(number, 1.0), bound)
    luma = tf.clip_by_value(tf.floor(luma + 0.5), 0, 255)
    return luma, tf.clip_by_value(tf.floor(luma[..., tf.newaxis] + tints + 0.5), 0, 255)


def _pool(values: tf.Tensor, counts: tf.Tensor, halves: tf.Tensor) -> tf.Tensor:
    """Returns the mean, (h, w), of those that count among the pixels, (H, W), of each chroma sample; else of all."""
    size = tf.shape(values)
    steps = tf.cast(1 + halves, tf.int32)
    small = (size + steps - 1) // steps
    margins = tf.stack([tf.zeros([2], tf.int32), small * steps - size], axis=1)

    def add_up(parts: tf.Tensor) -> tf.Tensor:
        blocks = tf.reshape(tf.pad(parts, margins), [small[0], steps[0], small[1], steps[1]])
        return tf.reduce_sum(blocks, axis=[1, 3])

    weights, ones = tf.cast(counts, tf.float32), tf.ones_like(values)
    number = add_up(weights)
    return tf.where(number > 0, add_up(values * weights) / tf.maximum(number, 1.0), add_up(values) / add_up(ones))


def _spread(values: tf.Tensor, size: tf.Tensor, halves: tf.Tensor) -> tf.Tensor:
    """Repeats chroma, (h, w), to the size of luma, (H, W)."""
    near = [tf.range(size[axis]) // tf.cast(1 + halves[axis], tf.int32) for axis in (0, 1)]
    return tf.gather(tf.gather(values, near[0], axis=0), near[1], axis=1)


def _interpolate(values: tf.Tensor, size: tf.Tensor, halves: tf.Tensor) -> tf.Tensor:
    """Brings chroma, int32 (h, w), to the size of luma as libyuv does: 3 parts of the nearer sample, 1 of the other."""

    def samples(axis: int) -> tuple[tf.Tensor, tf.Tensor]:
        place, last = tf.range(size[axis]), size[axis] - 1
        other = tf.clip_by_value(place // 2 + 2 * (place % 2) - 1, 0, tf.shape(values)[axis] - 1)
        # At the right edge there is none, not even where the last column but one has the same sample.
        is_edge = (place == last) & (axis == 1)
        has_half = halves[axis] == 1
        near = tf.where(has_half, place // 2, place)
        return near, tf.where(has_half & ~is_edge, other, near)

    (near_row, far_row), (near_column, far_column) = samples(0), samples(1)
    near, far = tf.gather(values, near_row), tf.gather(values, far_row)

    def across(rows: tf.Tensor) -> tf.Tensor:
        return 3 * tf.gather(rows, near_column, axis=1) + tf.gather(rows, far_column, axis=1)

    # With nothing to interpolate between this is 16 times the sample, and so exact.
    return tf.cond(
        halves[0] == 1,
        lambda: tf.bitwise.right_shift(3 * across(near) + across(far) + 8, 4),
        lambda: tf.bitwise.right_shift(across(near) + 2, 2),
    )


def _to_rgb(luma: tf.Tensor, blue: tf.Tensor, red: tf.Tensor, is_full: tf.Tensor) -> tf.Tensor:
    """Mixes int32 luma, 0 to 255, and chroma, -128 to 127, as libyuv does, in 6 bits behind the point."""

    def pick(full: int, limited: int) -> tf.Tensor:
        return tf.where(is_full, tf.constant(full), tf.constant(limited))

    level = tf.bitwise.right_shift(luma * 0x0101 * pick(16320, 18997), 16) + pick(32, -1160)
    mixed = tf.stack(
        [
            level + red * pick(90, 102),
            level - (blue * pick(22, 25) + red * pick(46, 52)),
            level + blue * pick(113, 128),
        ],
        axis=2,
    )
    return tf.cast(tf.clip_by_value(tf.bitwise.right_shift(mixed, 6), 0, 255), tf.uint8)
