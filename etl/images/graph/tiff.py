"""TIFF inside the graph, by tensorflow-io's libtiff: the header read here, the pixels there.

That decoder goes on after an error and shows what happens to be in its memory, so nothing reaches it that hasn't been
looked through: every strip or tile is there, as long as it must be, and inflates. Of LZW and the like that can't be
told, so they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from etl.images.graph.bytes import Bytes, big, equals, is_in, little, window
from etl.images.graph.exif import parse_orientation
from etl.images.graph.headers import GraphHeader, first_flaw
from etl.images.header import MAX_TIFF_CHUNKS, Flaw

_SHORT, _LONG = 3, 4

# Tags.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 255, 330, 50706
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 322, 323, 324, 325, 338, 339

_UNCOMPRESSED, _DEFLATED = 1, (8, 32946)
_BLACK_IS_ZERO, _RGB = 1, 2
_STRAIGHT_ALPHA = 2


@dataclass(frozen=True, slots=True)
class Tiff:
    """What a TIFF's first directory says.

    Attributes:
        header: As of any format; its `bits` are those of one sample.
        offsets: int64, (N,), where the strips or tiles begin.
        lengths: int64, (N,), how many bytes each takes.
        unpacked: int64, (N,), how many at least it must hold once it is inflated.
        is_deflated: bool scalar.
    """

    header: GraphHeader
    offsets: tf.Tensor
    lengths: tf.Tensor
    unpacked: tf.Tensor
    is_deflated: tf.Tensor


class _Directory:
    """The first directory of a TIFF."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        head = window(data, 0, 8)
        self._is_little = equals(head[:4], b"II*\0")
        offset = self._number(head[4:8])
        count = self._number(window(data, offset, 2))
        self._table = offset + 2
        self.fits = (data.size >= 8) & (self._table + 12 * count <= data.size) & (count > 0)
        self.is_classic = self._is_little | equals(head[:4], b"MM\0*")
        length = tf.where(self.fits, 12 * count, 0)
        entries = tf.reshape(data.values[self._table : self._table + length], [-1, 12])
        # One entry of zeros behind the last, for the tags that aren't there.
        entries = tf.cast(tf.pad(entries, [[0, 1], [0, 0]]), tf.int64)
        self._entries = entries
        self._tags = self._number(entries[:, :2])

    def _number(self, values: tf.Tensor) -> tf.Tensor:
        return tf.where(self._is_little, little(values), big(values))

    def _find(self, tag: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns a tag's entry, its kind, its count, and where its values are; zeros where there is none."""
        last = tf.size(self._tags, tf.int64) - 1
        index = tf.reduce_min(tf.where(self._tags == tag, tf.range(last + 1), last))
        entry = self._entries[index]
        kind, count = self._number(entry[2:4]), self._number(entry[4:8])
        num_bytes = tf.where(kind == _SHORT, 2 * count, 4 * count)
        at = tf.where(num_bytes <= 4, self._table + 12 * index + 8, self._number(entry[8:12]))
        return entry, kind, count, at

    def value(self, tag: int, default: int = -1) -> tf.Tensor:
        """Reads a tag of one number; `default` where it isn't there, -1 where it is something else."""
        entry, kind, count, _ = self._find(tag)
        number = tf.where(kind == _SHORT, self._number(entry[8:10]), self._number(entry[8:12]))
        is_number = (count == 1) & is_in(kind, (_SHORT, _LONG))
        return tf.where(kind == 0, tf.constant(default, tf.int64), tf.where(is_number, number, -1))

    def each(self, tag: int, default: int, samples: tf.Tensor) -> tf.Tensor:
        """Reads a tag of one SHORT a sample, up to 4, which must all be the same; -1 where it is something else."""
        _, kind, count, at = self._find(tag)
        values = self._number(tf.reshape(window(self._data, at, 8), [4, 2]))
        is_alike = tf.reduce_all((values == values[0]) | (tf.range(4, dtype=tf.int64) >= count))
        is_good = is_alike & (kind == _SHORT) & (count == samples)
        return tf.where(kind == 0, tf.constant(default, tf.int64), tf.where(is_good, values[0], -1))

    def numbers(self, tag: int, limit: int) -> tf.Tensor:
        """Reads a tag of many numbers, int64, (N,); none where they aren't there, within the file and the limit."""
        _, kind, count, at = self._find(tag)
        width = tf.where(kind == _SHORT, tf.constant(2, tf.int64), 4)
        fits = is_in(kind, (_SHORT, _LONG)) & (count <= limit) & (at + width * count <= self._data.size)
        count = tf.where(fits, count, 0)
        values = tf.cast(self._data.values[at : at + width * count], tf.int64)
        return tf.cond(
            kind == _SHORT,
            lambda: self._number(tf.reshape(values, [-1, 2])),
            lambda: self._number(tf.reshape(values, [-1, 4])),
        )


def read(data: Bytes) -> Tiff:
    """Reads a TIFF's first directory."""
    directory = _Directory(data)
    width, height = directory.value(_WIDTH), directory.value(_HEIGHT)
    samples = directory.value(_SAMPLES, 1)
    bits = directory.each(_BITS, 1, samples)
    compression, photometric = directory.value(_COMPRESSION, 1), directory.value(_PHOTOMETRIC)
    is_deflated = is_in(compression, _DEFLATED)
    has_alpha = samples == 4
    # libtiff puts 16 bits in the wrong places where a tile reaches beyond the image.
    is_depth = (bits == 8) | ((bits == 16) & (directory.value(_TILE_WIDTH, 0) == 0))
    is_grey = (samples == 1) & (photometric == _BLACK_IS_ZERO) & is_depth
    is_colour = is_in(samples, (3, 4)) & (photometric == _RGB) & (bits == 8)
    # Cameras' raw files begin with a thumbnail; what hangs below the first image is left to `tiff.check`.
    is_main = (
        is_in(directory.value(_SUBFILE_TYPE, 0), (0, 2))
        & (directory.value(_OLD_SUBFILE_TYPE, 1) != 2)
        & (directory.value(_SUB_IFDS, 0) == 0)
        & (directory.value(_DNG_VERSION, 0) == 0)
    )
    predictor = directory.value(_PREDICTOR, 1)
    is_plain = (
        directory.is_classic
        & is_main
        & (is_grey | is_colour)
        & (is_deflated | (compression == _UNCOMPRESSED))
        & (directory.value(_EXTRA_SAMPLES, 0) == tf.where(has_alpha, tf.constant(_STRAIGHT_ALPHA, tf.int64), 0))
        & (directory.value(_FILL_ORDER, 1) == 1)
        & (directory.value(_PLANAR, 1) == 1)
        & ((predictor == 1) | (is_deflated & (predictor == 2)))
        & (directory.each(_SAMPLE_FORMAT, 1, samples) == 1)
    )
    offsets, lengths, unpacked, is_laid_out = _chunks(directory, height, width, samples * bits // 8)
    is_whole = tf.reduce_all((lengths >= unpacked) | is_deflated) & tf.reduce_all(offsets + lengths <= data.size)
    flaw = first_flaw(
        (~directory.fits & directory.is_classic, Flaw.TRUNCATED),
        ((width == 0) | (height == 0), Flaw.CORRUPT),
        (~is_plain | (width < 0) | (height < 0), Flaw.ODD_TIFF),
        (~is_laid_out, Flaw.CORRUPT),
        (~is_whole, Flaw.TRUNCATED),
    )
    header = GraphHeader(flaw, height, width, parse_orientation(data), has_alpha=has_alpha, bits=bits)
    return Tiff(header, offsets, lengths, unpacked, is_deflated)


def _chunks(
    directory: _Directory, height: tf.Tensor, width: tf.Tensor, pixel_bytes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the strips' or tiles' offsets, lengths and unpacked lengths, and whether they make up the image."""
    tile_width, tile_height = directory.value(_TILE_WIDTH, 0), directory.value(_TILE_HEIGHT, 0)
    is_tiled = tile_width != 0
    rows = tf.where(is_tiled, tile_height, tf.minimum(directory.value(_ROWS_PER_STRIP, 1 << 32), height))
    columns = tf.where(is_tiled, tile_width, width)
    is_sound = (rows > 0) & (columns > 0) & (~is_tiled | ((rows % 16 == 0) & (columns % 16 == 0)))
    rows, columns = tf.maximum(rows, 1), tf.maximum(columns, 1)
    across = (width + columns - 1) // columns
    number = (height + rows - 1) // rows * across

    def pick(tile_tag: int, strip_tag: int) -> tf.Tensor:
        return tf.cond(
            is_tiled,
            lambda: directory.numbers(tile_tag, MAX_TIFF_CHUNKS),
            lambda: directory.numbers(strip_tag, MAX_TIFF_CHUNKS),
        )

    offsets, lengths = pick(_TILE_OFFSETS, _STRIP_OFFSETS), pick(_TILE_BYTES, _STRIP_BYTES)
    is_laid_out = is_sound & (tf.size(offsets, tf.int64) == number) & (tf.size(lengths, tf.int64) == number)
    count = tf.where(is_laid_out, number, 0)
    # A tile is always whole, the last strip isn't.
    filled = tf.where(is_tiled, rows, tf.minimum(rows, height - tf.range(count) * rows))
    return offsets[:count], lengths[:count], filled * columns * pixel_bytes, is_laid_out


def decode(operations: Any, data: tf.Tensor, tiff: Tiff) -> tf.Tensor:
    """Decodes the first page.

    Args:
        operations: What `extra.load` gave.
        data: string scalar, the file, whose header has been found good.
        tiff: What `read` said of it.

    Returns:
        uint8, (height, width, 4), as stored, not turned; the colours are multiplied by alpha.
    """
    checked = tf.cond(tiff.is_deflated, lambda: _inflate_all(data, tiff), lambda: tf.constant(True))
    inflates = tf.raw_ops.Assert(condition=checked, data=[tf.constant(Flaw.CORRUPT.message)], summarize=1)
    with tf.control_dependencies([inflates]):
        pixels = operations.io_decode_tiff(tf.identity(data), tf.constant(0, tf.int64))
    # libtiff flips, but doesn't transpose: as if 5 were 1, 6 were 2 and so on. Undone, so that the turn is ours.
    orientation = tiff.header.orientation
    pixels = tf.cond(is_in(orientation, (2, 3, 6, 7)), lambda: tf.reverse(pixels, [1]), lambda: pixels)
    return tf.cond(is_in(orientation, (3, 4, 7, 8)), lambda: tf.reverse(pixels, [0]), lambda: pixels)


def _inflate_all(data: tf.Tensor, tiff: Tiff) -> tf.Tensor:
    """Returns whether each strip or tile inflates to as many bytes as it must; fails where one doesn't inflate."""

    def inflate(chunk: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        offset, length, unpacked = chunk
        # Incompressible data grow by 5 bytes in 16 thousand; more than that could only be a trap.
        is_short = length <= unpacked + unpacked // 1000 + 64
        packed = tf.strings.substr(data, offset, tf.where(is_short, length, 0))
        inflated = tf.io.decode_compressed(packed, "ZLIB")
        return is_short & (tf.strings.length(inflated) >= tf.cast(unpacked, tf.int32))

    fits = tf.map_fn(
        inflate,
        (tiff.offsets, tiff.lengths, tiff.unpacked),
        fn_output_signature=tf.TensorSpec([], tf.bool),
        parallel_iterations=1,
    )
    return tf.reduce_all(fits)
