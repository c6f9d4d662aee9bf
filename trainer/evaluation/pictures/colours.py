"""Draws a coloriser's images: grey, predicted and true ones beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from etl.errors.limits import name_file
from etl.images.lettering import load_font, shorten
from trainer.evaluation.pictures.sheet import INK, PALE_INK, PAPER, fit

# Two blocks of eight.
MOST_COLOURED = 16
_COLUMNS = 8
_ROWS = ("grey", "predicted", "true")
_TILE = 132
_GAP = 6
_LABEL_WIDTH = 104
_HEADER = 50
_CAPTION = 30


@dataclass(frozen=True, slots=True)
class ColourSample:
    """One picture three times, in [-1, 1].

    Attributes:
        grey: float32, (H, W, 1).
        predicted: float32, (H, W, 3).
        true: float32, (H, W, 3).
    """

    grey: np.ndarray
    predicted: np.ndarray
    true: np.ndarray


def draw_colours(samples: Sequence[ColourSample], title: str, path: Path) -> None:
    """Draws blocks of three rows, grey, predicted and true, and under each picture the mean squared error.

    Args:
        samples: In the order in which they are drawn, at least one.
        title: Above the pictures.
        path: The PNG to write.
    """
    step = _TILE + _GAP
    block = len(_ROWS) * step + _CAPTION
    num_blocks = -(-len(samples) // _COLUMNS)
    columns = min(_COLUMNS, max(3, len(samples)))
    sheet = Image.new("RGB", (_LABEL_WIDTH + columns * step + _GAP, _HEADER + num_blocks * block), PAPER)
    draw = ImageDraw.Draw(sheet)
    heading, label, small = load_font(18, bold=True), load_font(14), load_font(12)
    draw.text((14, _HEADER // 2), shorten(title, heading, sheet.width - 28), INK, font=heading, anchor="lm")
    for number, sample in enumerate(samples):
        left = _LABEL_WIDTH + number % _COLUMNS * step
        top = _HEADER + number // _COLUMNS * block
        for row, name in enumerate(_ROWS):
            tile = fit(Image.fromarray(to_pixels(getattr(sample, name))), _TILE)
            place = (left + (_TILE - tile.width) // 2, top + row * step + (_TILE - tile.height) // 2)
            sheet.paste(tile, place)
            if number % _COLUMNS == 0:
                draw.text((14, top + row * step + _TILE // 2), name, INK, font=label, anchor="lm")
        error = float(np.square(sample.predicted - sample.true).mean())
        below = top + block - _CAPTION + 8
        draw.text((left + _TILE // 2, below), f"{error:.4f}", PALE_INK, font=small, anchor="mm")
        if number % _COLUMNS == 0:
            draw.text((14, below), "squared error", PALE_INK, font=small, anchor="lm")
    with name_file(str(path)):
        sheet.save(path, "PNG")


def to_pixels(values: np.ndarray) -> np.ndarray:
    """Returns float (H, W, 1 or 3) in [-1, 1] as uint8 (H, W, 3); what is outside of the range is clipped."""
    pixels = np.rint((np.clip(values, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*values.shape[:2], 3)))
