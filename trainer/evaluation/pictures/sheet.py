"""The parts that all sheets of images share: paper, ink, and images that fit their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image as Images

if TYPE_CHECKING:
    from PIL.Image import Image

INK = (40, 40, 48)
PALE_INK = (120, 120, 128)
PAPER = (250, 250, 248)


def fit(picture: Image, side: int) -> Image:
    """Returns an image as large as a square of `side` pixels holds, in its own proportions."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Images.Resampling.BICUBIC)


def percent(share: float) -> str:
    """Formats a share from 0 to 1 so that neither a little is shown as nothing, nor nearly all as all."""
    text = f"{100 * share:.0f}"
    if text == "0" and share > 0:
        return "<1 %"
    if text == "100" and share < 1:
        return ">99 %"
    return f"{text} %"
