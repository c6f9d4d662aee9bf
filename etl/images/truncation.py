"""Was a file cut short? Asked of what no decoder took, and of formats whose decoders make do with half a file."""

from __future__ import annotations

import struct

from etl.errors import RecordError
from etl.images.sniff import find_frame

# TIFF tags of where strips and tiles are and how long.
_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))
# Bytes that a value of each TIFF type takes, and `struct`'s letters for the integers.
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TYPE_LETTERS = {3: "H", 4: "I"}
# Tags up to this describe the pixels; those above are about camera and author, and their loss costs no pixel.
_LAST_PIXEL_TAG = 532

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
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):  # BigTIFF: its 64-bit directory is left to libtiff.
        return len(data) < 16
    try:
        return _has_loose_ends(data, order)
    except struct.error:
        return True


def _has_loose_ends(data: bytes, order: str) -> bool:
    """Tells whether a TIFF's first directory points beyond the end; `struct.error` where it lies there itself."""
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (num_entries,) = struct.unpack_from(order + "H", data, offset)
    values = {}
    for place in range(offset + 2, offset + 2 + 12 * num_entries, 12):
        tag, kind, count, pointer = struct.unpack_from(order + "HHII", data, place)
        num_bytes = _TYPE_BYTES.get(kind, 0) * count
        at = place + 8 if num_bytes <= 4 else pointer
        if tag <= _LAST_PIXEL_TAG and at + num_bytes > len(data):
            return True
        if kind in _TYPE_LETTERS and any(tag in pair for pair in _OFFSETS_AND_COUNTS):
            values[tag] = struct.unpack_from(f"{order}{count}{_TYPE_LETTERS[kind]}", data, at)
    return any(
        start + length > len(data)
        for offsets, counts in _OFFSETS_AND_COUNTS
        for start, length in zip(values.get(offsets, ()), values.get(counts, ()), strict=False)
    )


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
