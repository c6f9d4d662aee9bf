"""Writes on pictures: fonts, and texts that fit their places."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

from etl.words import on_one_line

# No place on a picture has room for more; measuring a longer text would only take time.
_MOST_CHARACTERS = 200


@cache
def load_font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """Loads letters of a size in pixels.

    Those that come with matplotlib: Pillow's own lack all but Latin letters, and class names have others too.
    """
    return ImageFont.truetype(str(_find_font(bold=bold)), size)


def shorten(text: str, font: FreeTypeFont, width: float) -> str:
    """Makes a text one printable line of at most a width in pixels, with an ellipsis where something is missing."""
    whole = on_one_line(text[: _MOST_CHARACTERS + 1])
    text = whole[:_MOST_CHARACTERS]
    if text == whole and font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def label(name: str, number: int) -> str:
    """Returns what stands for a class on a picture: its name, behind its number where the font lacks a letter of it.

    Args:
        name: The class name.
        number: Its `label_int`.
    """
    shown = on_one_line(name)
    known = _known_characters()
    return shown if all(ord(character) in known for character in shown[:_MOST_CHARACTERS]) else f"{number}: {shown}"


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(FT2Font(str(_find_font())).get_charmap())


def _find_font(*, bold: bool = False) -> Path:
    return Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
