"""Decodes JPEGs with libjpeg-turbo, whose warnings say what TensorFlow keeps to itself: a scan that ends early.

simplejpeg and TensorFlow hold the same library. With the accurate DCT and smooth upsampling both give the same pixels,
which the tests hold, and simplejpeg stops where the library warns.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import simplejpeg

from etl.images.header import Flaw, broken
from etl.images.scans import END_MARK, has_every_scan

# The library's own words, of which simplejpeg passes on the first.
_NO_END_MARK = "Premature end of JPEG"
_ENDS_EARLY = "premature end of data segment"
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_DAMAGED = "Corrupt JPEG data"


class DecodedJpeg(NamedTuple):
    """A JPEG and its pixels.

    Attributes:
        data: The file, with an end mark put behind it where only that was missing.
        pixels: uint8, (H, W, channels), read-only, as stored, not turned; None where the library can't judge the file.
    """

    data: bytes
    pixels: np.ndarray | None


def decode(data: bytes, colours: str = "RGB") -> DecodedJpeg:
    """Decodes a JPEG to its last pixel, or finds that it can't be.

    Args:
        data: A whole file with a sound frame header of 8 bits and at most 4 components.
        colours: `RGB`, or `CMYK` for 4 components.

    Returns:
        The file and its pixels. There are none where simplejpeg says nothing about the scan: odd sampling factors, or
        an odd header of which it warned first.

    Raises:
        RecordError: truncated, where a scan ends before its last pixel or isn't there; corrupt, where the decoder came
            upon a code or marker that can't be, or had data left over that are no padding.
    """
    try:
        decoded = DecodedJpeg(data, _decode(data, colours))
    except ValueError as error:
        decoded = _judge(data, colours, str(error))
    if not has_every_scan(data):
        raise broken(Flaw.TRUNCATED, "the JPEG ends before its last scan")
    return decoded


def _decode(data: bytes, colours: str, *, strict: bool = True) -> np.ndarray:
    # Both options are stated: their defaults may change, and other ones give other pixels.
    pixels: np.ndarray = simplejpeg.decode_jpeg(data, colours, fastdct=False, fastupsample=False, strict=strict)
    pixels.flags.writeable = False
    return pixels


def _judge(data: bytes, colours: str, complaint: str) -> DecodedJpeg:
    """Decides about a file of which the decoder complained."""
    if _ENDS_EARLY in complaint:
        raise broken(Flaw.TRUNCATED, "the JPEG's data end before its last pixel")
    if complaint.startswith(_NO_END_MARK) and not data.endswith(END_MARK):
        return decode(data + END_MARK, colours)
    left_over = _LEFT_OVER.search(complaint)
    if left_over and _is_padding(data, int(left_over[1])):
        return DecodedJpeg(data, _decode(data, colours, strict=False))
    if _DAMAGED in complaint:
        raise broken(Flaw.CORRUPT, f"the JPEG's data are damaged: {complaint.split(': ')[-1]}")
    return DecodedJpeg(data, None)


def _is_padding(data: bytes, count: int) -> bool:
    """Tells whether the last bytes before the image's end mark are all the same: some cameras fill up so."""
    end = data.find(END_MARK, data.find(b"\xff\xda"))
    return len(set(data[end - count : end])) == 1
