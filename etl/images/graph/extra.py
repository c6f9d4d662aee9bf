"""tensorflow-io's decoders: plain TIFF, AVIF and JPEG 2000 inside the graph, where they can be had.

They are custom operations: a graph that holds them runs only in processes that have loaded their library. Plain is
what they decode to the pixels of `normalise`, of AVIF within a level (noise: two); all else is refused by name.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import tensorflow as tf

from etl.errors import ConfigError
from etl.images.graph.bytes import Bytes, big, equals, is_in, little, window
from etl.images.graph.headers import GraphHeader
from etl.images.header import Flaw

FORMATS = ("tiff", "avif", "jp2")
PACKAGE = "tensorflow-io"

# The only one on which tensorflow-io's last version, 0.37.1, loads.
RELEASE = "2.16"
HINT = f"AVIF, TIFF and JPEG 2000 need TensorFlow {RELEASE} and: pip install 'petalstream[io]'"

# Of the package `tensorflow_io`. Its own import would also put file systems of its own in place of TensorFlow's, and
# loads this library only with the first call of one of its operations.
_LIBRARY = Path("python", "ops", "libtensorflow_io.so")


def load(option: str, got: object) -> Any:
    """Loads the operations into this process, if they aren't there yet.

    Args:
        option: The flag or argument that asks for them, for the error.
        got: Its value.

    Returns:
        The operations, as functions of tensors: `io_decode_tiff`, `io_decode_avif`, `io_decode_jpeg2k`.

    Raises:
        ConfigError: the package isn't there, or was built for another release of TensorFlow.
    """
    found = importlib.util.find_spec("tensorflow_io")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(option, got, f"{PACKAGE}, which is not installed", HINT)
    path = Path(found.submodule_search_locations[0]) / _LIBRARY
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.OpError, OSError) as error:
        version = importlib.metadata.version(PACKAGE)
        what = f"a TensorFlow on which {PACKAGE} {version} loads ({RELEASE}; this is {tf.__version__})"
        raise ConfigError(option, got, what, HINT) from error


def read_header(name: str, data: Bytes) -> GraphHeader:
    """Reads the header of a file of one of `FORMATS`; whatever is not plain, or not all there, is odd."""
    is_plain, height, width = {"tiff": _read_tiff, "avif": _read_avif, "jp2": _read_jp2}[name](data)
    flaw = tf.where(is_plain & (height > 0) & (width > 0), Flaw.NONE, Flaw[f"ODD_{name.upper()}"])
    return GraphHeader(tf.cast(flaw, tf.int64), height, width)


def decode(name: str, data: tf.Tensor, header: GraphHeader, operations: Any) -> tf.Tensor:
    """Decodes a file, string scalar, whose header was found plain, to uint8 (height, width, 3)."""
    shape = tf.stack([header.height, header.width, 3])
    # Where a decoder finds another size than the header says, `reshape` fails.
    if name == "tiff":
        return tf.reshape(operations.io_decode_tiff(data, tf.constant(0, tf.int64))[..., :3], shape)
    if name == "jp2":
        pixels = operations.io_decode_jpeg2k(data, dtype=tf.uint8)
        return tf.reshape(tf.repeat(pixels, 3 // tf.shape(pixels)[2], axis=2), shape)
    # It knows the matrix of BT.601 by its other number only, and centres chroma half a level too low.
    renamed = [tf.strings.substr(data, 0, 242), b"\5", tf.strings.substr(data, 243, 1 << 30)]
    pixels = tf.reshape(operations.io_decode_avif(tf.strings.join(renamed)), shape)
    return tf.cast(tf.maximum(tf.cast(pixels, tf.int32) - tf.constant([1, 0, 1]), 0), tf.uint8)


def _read_tiff(data: Bytes) -> tuple[tf.Tensor, ...]:
    is_little = equals(window(data, 0, 4), b"II*\0")

    def number(values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_little, little(values), big(values))

    table = number(window(data, 4, 4)) + 2
    length = 12 * number(window(data, table - 2, 2))
    fits = (is_little | equals(window(data, 0, 4), b"MM\0*")) & (table + length <= data.size)
    entries = tf.cast(tf.reshape(data.values[table : table + tf.where(fits, length, 0)], [-1, 12]), tf.int64)
    tags, counts = number(entries[:, :2]), number(entries[:, 4:8])
    is_short = (number(entries[:, 2:4]) == 3) & (counts == 1)  # of several it is their place, a LONG
    values = tf.where(is_short, number(entries[:, 8:10]), number(entries[:, 8:12]))

    def value(tag: int, default: int = 0, column: tf.Tensor = values) -> tf.Tensor:
        return tf.concat([tf.boolean_mask(column, tags == tag), [default]], axis=0)[0]

    height, width, samples, start = value(257), value(256), value(277, 1), value(273)
    depths = number(tf.reshape(window(data, value(258), 6), [3, 2]))
    is_colour = (samples == 3) & (value(262) == 2) & tf.reduce_all(depths == 8)
    is_grey = (samples == 1) & (value(262) == 1) & (value(258) == 8)
    # Compression, fill order, orientation, planes; one strip; no tags of other kinds of images and samples, none twice.
    ones = tf.reduce_all([value(tag, 1) == 1 for tag in (259, 266, 274, 284)])
    strip = (value(273, 0, counts) == 1) & (value(278, 1 << 31) >= height)
    odd = tf.reduce_any(tags[:, tf.newaxis] == [254, 255, 317, 322, 324, 330, 338, 339, 50706])
    odd |= tf.reduce_any(tags[1:] <= tags[:-1])
    is_whole = (start >= 8) & (value(279) >= height * width * samples) & (start + value(279) <= data.size)
    return fits & (is_colour | is_grey) & ones & strip & ~odd & is_whole, height, width


def _read_jp2(data: Bytes) -> tuple[tf.Tensor, ...]:
    at = 12 + big(window(data, 12, 4))
    # The boxes jp2h (with ihdr and colr) and jp2c, then the codestream's first segment.
    head, size = window(data, at, 53), window(data, at + 53, 51)
    height, width, samples = big(head[16:20]), big(head[20:24]), big(head[24:26])
    boxes = tf.concat([head[:16], head[26:28], head[30:41], head[49:]], axis=0)
    space = tf.where(samples == 1, tf.constant(17, tf.int64), 16)
    sides = [big(size[start : start + 4]) for start in range(8, 40, 4)]
    components = tf.reshape(size[42:51], [3, 3])[:samples]
    is_plain = (
        equals(boxes, b"\0\0\0\x2djp2h\0\0\0\x16ihdr\x07\x07\0\0\0\x0fcolr\1\0\0jp2c")
        & is_in(samples, (1, 3))
        & (big(head[41:45]) == space)
        & equals(size[:4], b"\xff\x4f\xff\x51")
        & (big(size[40:42]) == samples)
        & tf.reduce_all(components == [7, 1, 1])
        & tf.reduce_all([sides[0] == width, sides[1] == height, sides[4] >= width, sides[5] >= height])
        & tf.reduce_all([sides[index] == 0 for index in (2, 3, 6, 7)])
        & equals(window(data, data.size - 2, 2), b"\xff\xd9")
    )
    # tensorflow-io would begin anew with the first byte behind its buffer of 1 MiB.
    return is_plain & (data.size < 1 << 20), height, width


def _read_avif(data: Bytes) -> tuple[tf.Tensor, ...]:
    """Reads what libavif writes of one picture and nothing beside it: there everything has its place."""
    size, colour, extent = window(data, 177, 48), window(data, 225, 19), window(data, 113, 8)
    is_plain = (
        equals(window(data, 4, 8), b"ftypavif")
        & equals(window(data, 32, 8), b"\0\0\0\xebmeta")
        & equals(size[:12], b"\0\0\0\x14ispe\0\0\0\0")
        # 8 bits and whole chroma; the matrix of BT.601, samples from 0 to 255.
        & equals(size[20:45], b"\0\0\0\x10pixi\0\0\0\0\3\x08\x08\x08\0\0\0\x0cav1C\x81")
        & (size[46] == 0)
        & equals(colour[:12], b"\0\0\0\x13colrnclx")
        & is_in(big(colour[16:]), (0x0580, 0x0680))
        & equals(window(data, 244, 23), b"\0\0\0\x17ipma" + bytes(7) + b"\1\0\1\4\1\2\x83\4")
        & equals(window(data, 271, 4), b"mdat")
        & (big(extent[:4]) + big(extent[4:]) <= data.size)
    )
    return is_plain, big(size[16:20]), big(size[12:16])
