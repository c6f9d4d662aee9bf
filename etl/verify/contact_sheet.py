"""A picture of what a data set holds: a few images of each class, in rows."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 160
_GAP = 6
_LABEL_WIDTH = 150
_HEADER = 34
_INK = (40, 40, 48)
_PAPER = (250, 250, 248)
# A sheet with more rows is no longer taken in at a glance.
_MOST_CLASSES = 40


class ContactSheet:
    """Collects the first few images of each class.

    Args:
        title: Stands over the rows.
        class_names: One row each, up to 40.
        columns: Images a class.
    """

    def __init__(self, title: str, class_names: tuple[str, ...], columns: int = 8) -> None:
        self._title = title
        self._columns = columns
        self._rows: dict[str, list[Image.Image]] = {name: [] for name in class_names[:_MOST_CLASSES]}

    def add(self, label: str, pixels: np.ndarray) -> None:
        """Takes an image, uint8 (height, width, 3), if its class still wants one."""
        row = self._rows.get(label)
        if row is not None and len(row) < self._columns:
            tile = Image.fromarray(pixels)
            tile.thumbnail((_TILE, _TILE))
            row.append(tile)

    def to_png(self) -> bytes:
        """Draws the sheet; returns a PNG file."""
        step = _TILE + _GAP
        size = (_LABEL_WIDTH + self._columns * step + _GAP, _HEADER + len(self._rows) * step + _GAP)
        sheet = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(sheet)
        font = ImageFont.load_default(15)
        draw.text((_GAP * 2, _GAP * 2), self._title, _INK, font=font)
        for number, (label, tiles) in enumerate(self._rows.items()):
            top = _HEADER + number * step
            draw.text((_GAP * 2, top + _TILE // 2 - 8), _shorten(label), _INK, font=font)
            for column, tile in enumerate(tiles):
                left = _LABEL_WIDTH + column * step
                sheet.paste(tile, (left + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))
        stream = BytesIO()
        sheet.save(stream, "PNG")
        return stream.getvalue()


def _shorten(label: str, length: int = 17) -> str:
    return label if len(label) <= length else label[: length - 1] + "…"
