"""Finds files that were cut short, of those that no decoder took and of formats whose decoders make do with half."""

from __future__ import annotations

import struct

from etl.errors import RecordError
from etl.images import tiff
from etl.images.sniff import find_frame

# The end of a JPEG and of a JPEG 2000 codestream.
_END_OF_JPEG = b"\xff\xd9"

_AVIF_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid")


def is_truncated(data: bytes, file_format: str) -> bool:
    """Tells from a file's structure alone whether its end is missing.

    Args:
        data: A whole file whose header `sniff` accepted.
        file_format: One of `header.FORMATS`. For GIF, BMP and WebP `sniff` has looked already: the answer is no.

    Returns:
        True where the structure refers to bytes beyond the end, or lacks its closing mark.
    """
    finder = _FINDERS.get(file_format)
    return finder is not None and finder(data)


def _is_jpeg_cut(data: bytes) -> bool:
    # Within the frame the two bytes can't occur but as the end; before it, a thumbnail has an end of its own.
    try:
        return data.find(_END_OF_JPEG, find_frame(data)[0]) < 0
    except RecordError as error:
        return error.reason == "truncated"


def _is_png_cut(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return True


def _is_tiff_cut(data: bytes) -> bool:
    try:
        page, _ = tiff.read_directory(data)
    except struct.error:
        return True
    return any(start + length > len(data) for start, length in tiff.chunks(page))


def _is_avif_cut(data: bytes) -> bool:
    at, has_pixels = 0, False
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind not in _AVIF_BOXES:  # something behind the image
            return not has_pixels
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: up to the end
            return False
        has_pixels = has_pixels or kind == b"mdat" or b"idat" in data[at : at + size]
        at += size
    # The pixels come last and in a box of their own: cut just before it, all that is there looks whole.
    return at > len(data) or not has_pixels


def _is_jp2_cut(data: bytes) -> bool:
    # OpenJPEG decodes what there is and leaves the rest grey, hence the look for the codestream's own end.
    start = 0 if data[:2] == b"\xff\x4f" else data.find(b"jp2c")
    return start < 0 or data.find(_END_OF_JPEG, start) < 0


_FINDERS = {
    "jpeg": _is_jpeg_cut,
    "png": _is_png_cut,
    "tiff": _is_tiff_cut,
    "avif": _is_avif_cut,
    "jp2": _is_jp2_cut,
}
