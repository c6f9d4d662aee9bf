"""The one way from an image file's bytes to pixels in TensorFlow: the ETL, `inspect` and the exported model use it.

JPEG and PNG are decoded in every form; what else TensorFlow would decode otherwise than `normalise`, or only after a
walk through the file, is refused by name. With `extra`, tensorflow-io's operations decode some more. All of it runs on
the CPU and never under XLA, whose resize gives other bits. The functions here trace as parts of any graph; `function`
makes the compiled ones that the ETL's threads share. Autograph has nothing to convert in them, and would take four
times as long to trace.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from etl.images.graph import extra as extra_formats
from etl.images.graph import headers, scans, walks
from etl.images.graph.bytes import Bytes, read_bytes
from etl.images.graph.headers import GraphHeader
from etl.images.graph.resize import RESIZES, resize_image
from etl.images.header import DEFAULT_MAX_PIXELS, FORMATS, MAX_SIDE, Flaw
from etl.images.scans import END_MARK

__all__ = [
    "DECODES_WEBP",
    "RESIZES",
    "decode_plain_jpeg",
    "decode_resized",
    "decode_rgb",
    "function",
    "resize_image",
]

# TensorFlow 2.16 has no such operation; there WebP is refused by name, and the ETL leaves it to Pillow.
DECODES_WEBP = hasattr(tf.io, "decode_webp")

_MESSAGES = [flaw.message for flaw in Flaw]
_SCALAR = tf.TensorSpec([], tf.string)


@tf.autograph.experimental.do_not_convert
def decode_rgb(data: tf.Tensor, max_pixels: tf.Tensor | int = DEFAULT_MAX_PIXELS, extra: Any = None) -> tf.Tensor:
    """Decodes one image file to upright RGB pixels.

    Args:
        data: string scalar, a whole file: JPEG, PNG, BMP or WebP of the simple kinds; with `extra` also TIFF, AVIF and
            JPEG 2000 of such.
        max_pixels: The largest height times width accepted; checked before any decoding.
        extra: What `extra.load` gave, tensorflow-io's operations; None to go without.

    Returns:
        uint8, (height, width, 3), 0-255; what is see-through is on white.

    Raises:
        tf.errors.InvalidArgumentError: no image, a damaged or too large one, or one that only `normalise` decodes; the
            message names it.
    """
    with tf.device("/CPU:0"):
        data = tf.convert_to_tensor(data, tf.string)
        parts = read_bytes(data)
        index = headers.find_format(parts)
        # A switch of ten branches costs 0.5 ms, this 0.1; the others are seldom asked for.
        pixels = tf.cond(
            index == FORMATS.index("jpeg"),
            lambda: _decode_jpeg(data, parts, max_pixels),
            lambda: _decode_other(data, parts, max_pixels, index, extra),
        )
        return tf.ensure_shape(pixels, (None, None, 3))


@tf.autograph.experimental.do_not_convert
def decode_resized(
    data: tf.Tensor,
    height: int,
    width: int,
    resize: str,
    max_pixels: tf.Tensor | int = DEFAULT_MAX_PIXELS,
) -> tf.Tensor:
    """Decodes one image file and resizes it.

    Args:
        data: string scalar, a whole file, as `decode_rgb` takes it.
        height: Rows of the result.
        width: Columns of the result.
        resize: `pad`, `crop` or `stretch`, as `resize_image` takes it.
        max_pixels: The largest height times width accepted, before resizing.

    Returns:
        uint8, (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: as `decode_rgb`.
    """
    return resize_image(decode_rgb(data, max_pixels), height, width, resize)


def decode_plain_jpeg(data: tf.Tensor) -> tf.Tensor:
    """Decodes what `sniff` calls plain, without looking at its header again; the same bits as `decode_rgb`.

    Args:
        data: string scalar, a JPEG of orientation 1, within the limits.

    Returns:
        uint8, (height, width, 3).

    Raises:
        tf.errors.InvalidArgumentError: it is damaged.
    """
    # Every option is stated: TensorFlow's default transform may change, and the other one gives other pixels.
    return tf.io.decode_jpeg(
        data,
        channels=3,
        fancy_upscaling=True,
        try_recover_truncated=False,
        acceptable_fraction=1,
        dct_method="INTEGER_ACCURATE",
    )


def function(name: str, height: int = 0, width: int = 0, resize: str = "") -> Callable[..., tf.Tensor]:
    """Returns a compiled function, made once a process and safe to call from any number of threads.

    Concrete functions skip the signature lookup of a `tf.function`: 0.1 ms of 1.0 for each call.

    Args:
        name: `decode` (data, max_pixels), `load` (data, max_pixels), `load_plain` (data) or `resize` (image).
        height: Rows of the result; not for `decode`.
        width: Columns of the result; not for `decode`.
        resize: `pad`, `crop` or `stretch`; not for `decode`.

    Returns:
        A function of tensors: data a string scalar, max_pixels an int64 scalar, image uint8 (H, W, 3). Its result is
        uint8, (H, W, 3) for `decode`, else (height, width, 3).
    """
    key = (name, height, width, resize)
    with _LOCK:
        if key not in _COMPILED:
            _COMPILED[key] = _compile(*key)
        return _COMPILED[key]


_LOCK = threading.Lock()
_COMPILED: dict[tuple[str, int, int, str], Callable[..., tf.Tensor]] = {}


def _compile(name: str, height: int, width: int, resize: str) -> Callable[..., tf.Tensor]:
    bodies: dict[str, tuple[Callable[..., tf.Tensor], list[tf.TensorSpec]]] = {
        "decode": (decode_rgb, [_SCALAR, tf.TensorSpec([], tf.int64)]),
        "load": (
            lambda data, max_pixels: decode_resized(data, height, width, resize, max_pixels),
            [_SCALAR, tf.TensorSpec([], tf.int64)],
        ),
        "load_plain": (lambda data: resize_image(decode_plain_jpeg(data), height, width, resize), [_SCALAR]),
        "resize": (
            lambda image: resize_image(image, height, width, resize),
            [tf.TensorSpec([None, None, 3], tf.uint8)],
        ),
    }
    body, signature = bodies[name]

    @tf.function(input_signature=signature, jit_compile=False, autograph=False)
    def compiled(*arguments: tf.Tensor) -> tf.Tensor:
        with tf.device("/CPU:0"):
            return body(*arguments)

    concrete: Callable[..., tf.Tensor] = compiled.get_concrete_function()
    return concrete


def _checked(data: tf.Tensor, header: GraphHeader, max_pixels: tf.Tensor | int) -> tf.Tensor:
    """Returns `data` once the header is known to be good: no decoder starts before."""
    height, width = header.height, header.width
    is_large = (height * width > tf.cast(max_pixels, tf.int64)) | (tf.maximum(height, width) > MAX_SIDE)
    flaw = tf.where((header.flaw == Flaw.NONE) & is_large, tf.constant(Flaw.TOO_MANY_PIXELS, tf.int64), header.flaw)
    with tf.control_dependencies([_require(flaw)]):
        return tf.identity(data)


def _require(flaw: tf.Tensor) -> tf.Operation:
    return tf.raw_ops.Assert(condition=flaw == Flaw.NONE, data=[tf.constant(_MESSAGES)[flaw]], summarize=1)


def _refuse(data: tf.Tensor, flaw: Flaw) -> tf.Tensor:
    zero = tf.constant(0, tf.int64)
    data = _checked(data, GraphHeader(tf.constant(flaw, tf.int64), zero, zero), 0)
    return tf.zeros([tf.strings.length(data) * 0, 0, 3], tf.uint8)


def _decode_jpeg(data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int) -> tf.Tensor:
    header = walks.jpeg_header(parts)
    # A file that lacks only its end mark has all its pixels; behind an end mark another one counts for nothing.
    pixels = decode_plain_jpeg(_checked(data, header, max_pixels) + END_MARK)
    is_whole = scans.is_whole(data, parts, header, pixels, decode_plain_jpeg)
    flaw = tf.where(is_whole, tf.constant(Flaw.NONE, tf.int64), Flaw.TRUNCATED)
    with tf.control_dependencies([_require(flaw)]):
        return _upright(tf.identity(pixels), header.orientation)


def _decode_other(
    data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int, index: tf.Tensor, extra: Any
) -> tf.Tensor:
    decoders: dict[str, Callable[[], tf.Tensor]] = {
        "jpeg": lambda: _refuse(data, Flaw.UNSUPPORTED),  # never comes here
        "png": lambda: _decode_png(data, parts, max_pixels),
        "gif": lambda: _refuse(data, Flaw.GIF),
        "bmp": lambda: _decode_bmp(data, parts, max_pixels),
        "webp": lambda: _decode_webp(data, parts, max_pixels),
        "tiff": lambda: _refuse(data, Flaw.TIFF),
        "avif": lambda: _refuse(data, Flaw.AVIF),
        "jp2": lambda: _refuse(data, Flaw.JP2),
    }
    if extra is not None:
        decoders |= {
            name: functools.partial(_decode_extra, name, data, parts, max_pixels, extra)
            for name in extra_formats.FORMATS
        }
    branches = [decoders[name] for name in FORMATS]
    branches += [lambda: _refuse(data, Flaw.UNSUPPORTED), lambda: _refuse(data, Flaw.NOT_AN_IMAGE)]
    return tf.switch_case(index, branches)


def _decode_png(data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int) -> tf.Tensor:
    header = walks.png_header(parts)
    data = _checked(data, header, max_pixels)
    # As uint8 libpng keeps the high byte of 16 bits. Four channels only where there is alpha: asked to invent one for
    # less than 8 bits, TensorFlow fills in 15, 3 or 1.
    pixels = tf.cond(
        header.has_alpha,
        lambda: _on_white(tf.io.decode_png(data, channels=4, dtype=tf.uint8)),
        lambda: tf.io.decode_png(data, channels=3, dtype=tf.uint8),
    )
    return _upright(pixels, header.orientation)


def _decode_bmp(data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int) -> tf.Tensor:
    """Takes the rows apart; `tf.io.decode_bmp` refuses a file with anything behind its pixels."""
    header = headers.bmp_header(parts)
    data = _checked(data, header, max_pixels)
    row_bytes = (header.width * tf.abs(header.bits) // 8 + 3) // 4 * 4
    rows = tf.io.decode_raw(tf.strings.substr(data, header.start, row_bytes * header.height), tf.uint8)
    rows = tf.pad(rows, [[0, row_bytes * header.height - tf.size(rows, tf.int64)]])
    rows = tf.reshape(rows, [header.height, row_bytes])[:, : header.width * tf.abs(header.bits) // 8]
    pixels = tf.reshape(rows, [header.height, header.width, tf.abs(header.bits) // 8])[:, :, 2::-1]
    return tf.cond(header.bits > 0, lambda: tf.reverse(pixels, [0]), lambda: pixels)


def _decode_webp(data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int) -> tf.Tensor:
    if not DECODES_WEBP:
        return _refuse(data, Flaw.WEBP)
    return tf.io.decode_webp(_checked(data, headers.webp_header(parts), max_pixels), channels=3)[0]


def _decode_extra(name: str, data: tf.Tensor, parts: Bytes, max_pixels: tf.Tensor | int, operations: Any) -> tf.Tensor:
    header = extra_formats.read_header(name, parts)
    return extra_formats.decode(name, _checked(data, header, max_pixels), header, operations)


def _on_white(pixels: tf.Tensor) -> tf.Tensor:
    """Puts uint8 RGBA on white: round((c·a + 255·(255 - a)) / 255), exactly, in 16 bits."""
    wide = tf.cast(pixels, tf.uint16)
    colour, alpha = wide[..., :3], wide[..., 3:]
    # For x up to 255², (t + t/256)/256 with t = x + 128 is x/255 rounded; its largest sum is 65,407.
    total = colour * alpha + 255 * (255 - alpha) + 128
    shift = tf.constant(8, tf.uint16)
    return tf.cast(tf.bitwise.right_shift(total + tf.bitwise.right_shift(total, shift), shift), tf.uint8)


def _upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns pixels as their EXIF orientation asks."""
    return tf.cond(orientation == 1, lambda: pixels, lambda: _turn(pixels, orientation))


def _turn(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    # Every one of the eight is: transpose or not, then flip rows, columns, both or none.
    pixels = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = tf.cond(_one_of(orientation, 3, 4, 7, 8), lambda: tf.reverse(pixels, [0]), lambda: pixels)
    return tf.cond(_one_of(orientation, 2, 3, 6, 7), lambda: tf.reverse(pixels, [1]), lambda: pixels)


def _one_of(orientation: tf.Tensor, *choices: int) -> tf.Tensor:
    return tf.reduce_any(tf.equal(orientation, tf.constant(choices, tf.int64)))
