"""Turns an image file of any format into what the data set holds: upright 8-bit RGB.

One rule keeps the data set and the exported model equal to the bit: where the graph decodes a file, the pixels here are
the graph's. The very same operations make them, but for JPEGs: these go to the same library by a way that shows its
warnings. Of what the graph refuses by name TensorFlow's operations decode plain GIFs and WebPs, Pillow all else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from etl.errors import RecordError
from etl.images import jpeg, pillow
from etl.images.encode import encode_jpeg
from etl.images.gif import find_first_frame
from etl.images.graph import decoding
from etl.images.header import DEFAULT_MAX_PIXELS, Flaw, ImageHeader, broken, check_pixels
from etl.images.scans import END_MARK
from etl.images.sniff import sniff
from etl.images.truncation import is_truncated

__all__ = ["DEFAULT_MAX_PIXELS", "NormalisedJpeg", "decode_rgb", "load_pixels", "normalise_jpeg", "verify_jpeg"]

# Height times width times components: at 512 MiB TensorFlow's decoder ends.
_MOST_SAMPLES = 1 << 29


class NormalisedJpeg(NamedTuple):
    """An image as the JPEG variant stores it.

    Attributes:
        data: A JPEG of 8 bits, grey or RGB, upright.
        pixels: uint8, (H, W, 3), read-only: the source's pixels. Exactly what `data` decodes to where it is the source
            itself, else what it was encoded from.
    """

    data: bytes
    pixels: np.ndarray


def decode_rgb(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Decodes one image file to upright RGB pixels.

    Args:
        data: A whole image file, in any format that `sniff` names.
        max_pixels: The largest height times width accepted; checked before any decoding.

    Returns:
        uint8, (height, width, 3), 0-255; what is see-through is on white. It may be read-only.

    Raises:
        RecordError: empty, not_an_image, truncated, corrupt, unsupported or too_many_pixels.
    """
    header = sniff(data)
    return _decode(data, header, max_pixels)


def normalise_jpeg(data: bytes, *, max_pixels: int, quality: int) -> NormalisedJpeg:
    """Makes an image file fit for the JPEG variant, and decodes it to the last pixel on the way.

    Args:
        data: A whole image file, in any format that `sniff` names.
        max_pixels: The largest height times width accepted.
        quality: 1-100, where it has to be encoded.

    Returns:
        `data` itself where it is a plain JPEG, with an end mark behind it where that is all it lacks; else its upright
        pixels as a new one; and the pixels.

    Raises:
        RecordError: as `decode_rgb`.
    """
    header = sniff(data)
    if header.format == "jpeg":
        whole, pixels = _decode_jpeg(data, header, max_pixels)
        return NormalisedJpeg(whole if header.plain else encode_jpeg(pixels, quality), pixels)
    pixels = _decode(data, header, max_pixels)
    return NormalisedJpeg(encode_jpeg(pixels, quality), pixels)


def verify_jpeg(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Checks that bytes are what the JPEG variant may hold, for the price of one decode.

    Args:
        data: A whole file.
        max_pixels: The largest height times width accepted.

    Returns:
        Its pixels, uint8, (height, width, 3), read-only.

    Raises:
        RecordError: unsupported where it is an image but no plain JPEG, truncated also where only the end mark is
            missing, else as `decode_rgb`.
    """
    header = sniff(data)
    if not header.plain:
        raise broken(Flaw.UNSUPPORTED, f"a plain JPEG was expected, this is {header}")
    whole, pixels = _decode_jpeg(data, header, max_pixels)
    if whole is not data:
        raise broken(Flaw.TRUNCATED, "the JPEG has no end mark, and readers want one")
    return pixels


def load_pixels(
    data: bytes, *, height: int, width: int, resize: str, max_pixels: int = DEFAULT_MAX_PIXELS
) -> np.ndarray:
    """Decodes one image file and resizes it: the ETL's hot loop, made to be called from many threads at once.

    Args:
        data: A whole image file, in any format that `sniff` names.
        height: Rows of the result.
        width: Columns of the result.
        resize: `pad`, `crop` or `stretch`, as `graph.resize_image` takes it.
        max_pixels: The largest height times width accepted, before resizing.

    Returns:
        uint8, (height, width, 3), read-only.

    Raises:
        RecordError: as `decode_rgb`.
    """
    header = sniff(data)
    if header.format not in ("png", "bmp") or header.flaw is not Flaw.NONE:
        resized = decoding.function("resize", height, width, resize)
        return _to_numpy(resized(tf.constant(_decode(data, header, max_pixels))))
    _check_header(header, max_pixels)
    load = decoding.function("load", height, width, resize)
    return _run(lambda: load(tf.constant(data), tf.constant(max_pixels, tf.int64)), data, header)


def _decode(data: bytes, header: ImageHeader, max_pixels: int) -> np.ndarray:
    if header.format == "jpeg":
        return _decode_jpeg(data, header, max_pixels).pixels
    _check_header(header, max_pixels)
    if header.flaw is not Flaw.NONE or (header.format == "webp" and not decoding.DECODES_WEBP):
        return pillow.decode_rgb(data, header, max_pixels)
    if header.format in ("gif", "webp"):
        return _decode_by_operation(data, header)
    return _decode_in_graph(data, header, max_pixels)


def _decode_jpeg(data: bytes, header: ImageHeader, max_pixels: int) -> NormalisedJpeg:
    """Decodes any JPEG to upright pixels; the file comes back with an end mark, where that is all it lacked."""
    _check_header(header, max_pixels)
    if header.flaw is Flaw.CMYK_JPEG:
        # Pillow hides the warnings, so the other decoder has a look first.
        checked = jpeg.decode(data, "CMYK")
        pixels = pillow.decode_rgb(checked.data, header, max_pixels)
        if checked.pixels is None:
            raise broken(Flaw.UNSUPPORTED, "a CMYK JPEG with an odd header or odd sampling factors")
        return NormalisedJpeg(checked.data, pixels)
    if header.flaw is not Flaw.NONE:
        raise broken(Flaw.UNSUPPORTED, header.flaw.message)
    decoded = jpeg.decode(data)
    if decoded.pixels is None:
        pixels = _decode_in_graph(data, header, max_pixels)
        return NormalisedJpeg(data + END_MARK if is_truncated(data, "jpeg") else data, pixels)
    return NormalisedJpeg(decoded.data, pillow.turn(decoded.pixels, header.orientation))


def _decode_in_graph(data: bytes, header: ImageHeader, max_pixels: int) -> np.ndarray:
    decode = decoding.function("decode")
    return _run(lambda: decode(tf.constant(data), tf.constant(max_pixels, tf.int64)), data, header)


def _decode_by_operation(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decodes a GIF or a WebP that `sniff` has found plain."""
    if header.format == "webp":
        pixels = _run(lambda: tf.io.decode_webp(data, channels=3)[0], data, header)
        return pillow.turn(pixels, header.orientation)
    # Cut after the first frame: the decoder would unpack them all, and a small file can hold thousands.
    first = data[: find_first_frame(data).end] + b"\x3b"
    return _run(lambda: tf.io.decode_gif(first)[0], data, header)


def _check_header(header: ImageHeader, max_pixels: int) -> None:
    if header.height is not None and header.width is not None:
        check_pixels(header.height, header.width, max_pixels)
        if (header.components or 0) * header.height * header.width >= _MOST_SAMPLES:
            raise broken(Flaw.TOO_MANY_PIXELS, f"TensorFlow decodes no JPEG of {_MOST_SAMPLES} samples or more")


def _run(decode: Callable[[], tf.Tensor], data: bytes, header: ImageHeader) -> np.ndarray:
    """Calls into the graph; what it can't decode is told apart by the file's structure, not by its messages."""
    try:
        return _to_numpy(decode())
    except tf.errors.InvalidArgumentError as error:
        is_cut = Flaw.TRUNCATED.message in str(error) or is_truncated(data, header.format)
        reason = "truncated" if is_cut else "corrupt"
        raise RecordError("", reason, f"TensorFlow can't decode this {header.format.upper()}") from error


def _to_numpy(pixels: tf.Tensor) -> np.ndarray:
    """Returns a view of the tensor's memory: a copy of a whole image costs up to half as much as its decoding."""
    return np.asarray(memoryview(pixels))
