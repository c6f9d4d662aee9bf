"""Walks the scans of a JPEG: does the file send every part of every component? `graph_scans` asks the same."""

from __future__ import annotations

from collections.abc import Iterator

from etl.images.sniff import find_frame

END_MARK = b"\xff\xd9"
_SCAN = b"\xff\xda"
_PROGRESSIVE = 0xC2
# Coefficients of a block of 8x8.
_BLOCK = 64


def has_every_scan(data: bytes) -> bool:
    """Tells whether a JPEG holds a scan for all that its pixels are made of.

    A decoder doesn't complain of a file cut between two scans: it leaves out colours, or the lowest bits of every
    coefficient. A progressive file sends each coefficient in steps, down to its lowest bit.

    Args:
        data: A whole file whose frame header is sound.

    Returns:
        True where no component, no coefficient and no bit is left out. The scans themselves are not decoded.
    """
    frame, _, _ = find_frame(data)
    count, first = data[frame + 9], data.find(_SCAN, frame)
    is_progressive = data[frame + 1] == _PROGRESSIVE
    if not is_progressive and data[first + 4 : first + 5] == bytes([count]):
        return True  # Nearly every JPEG: one scan holds it all.
    # How many low bits of each coefficient are still to come; there are fewer than 32.
    missing = {component: [32] * _BLOCK for component in data[frame + 10 : frame + 10 + 3 * count : 3]}
    for header in _scans(data, first):
        start, end, bits = (header[-3], header[-2] + 1, header[-1] & 15) if is_progressive else (0, _BLOCK, 0)
        for component in header[:-3:2]:
            if component in missing and end <= _BLOCK:
                missing[component][start:end] = [min(bits, left) for left in missing[component][start:end]]
    return not any(map(any, missing.values()))


def _scans(data: bytes, first: int) -> Iterator[bytes]:
    """Yields the header of each scan up to the image's end: two bytes a component, then three about its range."""
    end, at = data.find(END_MARK, first), first
    end = len(data) if end < 0 else end
    while 0 <= at < end - 4:
        length = 2 * data[at + 4] + 3
        header = data[at + 5 : at + 5 + length]
        if len(header) == length:
            yield header
        at = data.find(_SCAN, at + 2, end)
