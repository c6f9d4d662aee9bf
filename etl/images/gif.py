"""Walks a GIF's blocks as far as the end of its first frame, without decoding any."""

from __future__ import annotations

from dataclasses import dataclass

from etl.images.header import MAX_GIF_BLOCKS, Flaw, broken

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _PLAIN_TEXT = 0xF9, 0x01


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame of a GIF.

    Attributes:
        height: Rows of the canvas.
        width: Columns of the canvas.
        top: First row of the canvas that the frame covers.
        left: First column that it covers.
        rows: How many rows it covers.
        columns: How many columns it covers.
        transparent: One of its colours is see-through.
        overridden: Where graphic controls begin and end that another one follows: the last before the frame counts.
        end: Where it ends; 0 where it takes more than `MAX_GIF_BLOCKS` blocks.
    """

    height: int
    width: int
    top: int
    left: int
    rows: int
    columns: int
    transparent: bool
    overridden: tuple[tuple[int, int], ...] = ()
    end: int = 0

    @property
    def flaw(self) -> Flaw:
        """Whether TensorFlow's decoder gives its pixels: not where it is long, see-through, or less than the canvas."""
        is_whole = (self.top, self.left, self.rows, self.columns) == (0, 0, self.height, self.width)
        is_plain = self.end and is_whole and not self.overridden and not self.transparent
        return Flaw.NONE if is_plain else Flaw.GIF


def find_first_frame(data: bytes) -> FirstFrame:
    """Finds the first frame.

    Args:
        data: A whole file that begins as a GIF.

    Returns:
        The frame; its data are all there unless its end is 0.

    Raises:
        RecordError: truncated, or corrupt: no frame, no colours, no size, or a block of no known kind.
    """
    if len(data) < 13:
        raise broken(Flaw.TRUNCATED, "the GIF ends within its header")
    width, height = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    table_bytes = _colour_table_bytes(data[10])
    too_long = FirstFrame(height, width, 0, 0, height, width, False)
    at, transparent, budget = 13 + table_bytes, False, MAX_GIF_BLOCKS
    controls: list[tuple[int, int]] = []
    while True:
        if budget == 0:
            return too_long
        if at >= len(data):
            raise broken(Flaw.TRUNCATED, "the GIF ends before its first frame")
        kind = data[at]
        if kind == _IMAGE:
            break
        if kind != _EXTENSION:
            raise broken(Flaw.CORRUPT, "the GIF holds no frame" if kind == _TRAILER else "the GIF holds an odd block")
        start, label = at, data[at + 1 : at + 2]
        at, budget = _skip_blocks(data, at + 2, budget - 1)
        if budget < 0:
            return too_long
        if label == bytes([_PLAIN_TEXT]):
            raise broken(Flaw.UNSUPPORTED, "the GIF writes text onto its canvas")
        if label == bytes([_GRAPHIC_CONTROL]):
            transparent = start + 3 < len(data) and bool(data[start + 3] & 1)
            controls.append((start, at))
    if at + 10 > len(data):
        raise broken(Flaw.TRUNCATED, "the GIF ends within its first frame's header")
    left, top, columns, rows = (int.from_bytes(data[i : i + 2], "little") for i in range(at + 1, at + 9, 2))
    local_bytes = _colour_table_bytes(data[at + 9])
    if not (table_bytes or local_bytes) or 0 in (width, height, columns, rows):
        raise broken(Flaw.CORRUPT, "the GIF has no colours or no size")
    end, budget = _skip_blocks(data, at + 11 + local_bytes, budget - 1)
    frame = FirstFrame(height, width, top, left, rows, columns, transparent, tuple(controls[:-1]), end)
    return frame if budget >= 0 else too_long


def _colour_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int, budget: int) -> tuple[int, int]:
    """Returns where a run of sub-blocks ends and what is left of the budget; -1 where it didn't suffice."""
    while budget > 0:
        if at >= len(data):
            raise broken(Flaw.TRUNCATED, "the GIF ends within a block")
        length = data[at]
        at += 1 + length
        budget -= 1
        if length == 0:
            return at, budget
    return at, -1
