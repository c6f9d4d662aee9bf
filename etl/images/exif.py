"""The orientation in a block of EXIF: the one tag of it that changes pixels."""

from __future__ import annotations

import struct

ORIENTATION_TAG = 0x0112
# TIFF's types for the tag's value; EXIF says SHORT, some writers use LONG.
SHORT, LONG = 3, 4


def parse_orientation(data: bytes, start: int, end: int) -> int:
    """Reads the orientation from a TIFF structure, as EXIF has it.

    The rules are those of `graph_exif.parse_orientation`, to the letter: only the first directory, only the first
    orientation entry, and whatever lies out of bounds or makes no sense means 1.

    Args:
        data: A whole file.
        start: Where the structure begins (at `II` or `MM`).
        end: Where it ends; offsets beyond are out of bounds.

    Returns:
        1-8; 1 is upright.
    """
    block = data[start:end]
    if len(block) < 8:
        return 1
    if block[:4] == b"II*\0":
        order = "<"
    elif block[:4] == b"MM\0*":
        order = ">"
    else:
        return 1
    (offset,) = struct.unpack_from(order + "I", block, 4)
    if offset + 2 > len(block):
        return 1
    (num_entries,) = struct.unpack_from(order + "H", block, offset)
    table = offset + 2
    if table + 12 * num_entries > len(block):
        return 1
    unpack = struct.Struct(order + "HHI").unpack_from
    for at in range(table, table + 12 * num_entries, 12):
        tag, kind, count = unpack(block, at)
        if tag == ORIENTATION_TAG:
            if count != 1 or kind not in (SHORT, LONG):
                return 1
            (value,) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), block, at + 8)
            return value if 1 <= value <= 8 else 1
    return 1
