"""The mistakes that a model is surest of, as a sheet of images."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from etl.errors.limits import name_file
from etl.images.lettering import label, load_font, shorten
from trainer.evaluation.pictures.sheet import INK, PALE_INK, PAPER, fit, percent

# As many as can be taken in: four rows of six.
MOST_MISTAKES = 24
_COLUMNS = 6
_TILE = 170
_GAP = 14
_HEADER = 54
_CAPTION = 62
_WRONG = (176, 58, 46)
_RIGHT = (38, 112, 74)
_TRACK = (228, 228, 224)


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One image that was taken for another class.

    Attributes:
        probability: Of the predicted class, 0 to 1; mistakes are ordered by it.
        number: Minus the image's place in the split, from 0: of equals the earlier one is the larger.
        true_probability: Of the true class.
        label: The true class' index.
        predicted: The predicted class' index.
        pixels: uint8 (H, W, 3), or (H, W, 1) of grey ones.
    """

    probability: float
    number: int
    true_probability: float = field(compare=False)
    label: int = field(compare=False)
    predicted: int = field(compare=False)
    pixels: np.ndarray = field(compare=False)


class WorstMistakes:
    """Keeps those of the highest probability, and no other images in memory.

    Args:
        size: How many, at least 1.
    """

    def __init__(self, size: int = MOST_MISTAKES) -> None:
        self._size = size
        self._heap: list[Mistake] = []
        self._num_seen = 0

    def add(self, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Takes the mistakes of a batch.

        Args:
            images: uint8, (B, H, W, 3) or (B, H, W, 1).
            labels: int, (B,), the true classes.
            probabilities: float, (B, C).
        """
        predicted = probabilities.argmax(axis=1)
        for index in np.flatnonzero(predicted != labels):
            probability = float(probabilities[index, predicted[index]])
            rank = (probability, -(self._num_seen + int(index)))
            if len(self._heap) == self._size and rank < (self._heap[0].probability, self._heap[0].number):
                continue
            mistake = Mistake(
                *rank,
                true_probability=float(probabilities[index, labels[index]]),
                label=int(labels[index]),
                predicted=int(predicted[index]),
                # A view would keep the whole batch.
                pixels=images[index].copy(),
            )
            (heapq.heappush if len(self._heap) < self._size else heapq.heappushpop)(self._heap, mistake)
        self._num_seen += len(labels)

    @property
    def has_images(self) -> bool:
        """Whether any image was looked at, right or wrong."""
        return self._num_seen > 0

    def sorted(self) -> list[Mistake]:
        """Returns them, the worst first."""
        return sorted(self._heap, reverse=True)


def draw_mistakes(mistakes: Sequence[Mistake], class_names: Sequence[str], title: str, path: Path) -> None:
    """Draws a sheet of images, each with what it is, what it was taken for, and both probabilities.

    Args:
        mistakes: The worst first; none gives a sheet with nothing but its title.
        class_names: By index.
        title: Above the images.
        path: The PNG to write.
    """
    # Wide enough for the title also where there is little below it.
    columns = min(_COLUMNS, max(3, len(mistakes)))
    rows = -(-len(mistakes) // _COLUMNS)
    size = (columns * (_TILE + _GAP) + _GAP, _HEADER + rows * (_TILE + _CAPTION + _GAP) + (_GAP if not rows else 0))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    heading = load_font(18, bold=True)
    draw.text((_GAP, _HEADER // 2), shorten(title, heading, size[0] - 2 * _GAP), INK, font=heading, anchor="lm")
    for number, mistake in enumerate(mistakes):
        left = _GAP + number % _COLUMNS * (_TILE + _GAP)
        top = _HEADER + number // _COLUMNS * (_TILE + _CAPTION + _GAP)
        tile = fit(Image.fromarray(mistake.pixels.squeeze()).convert("RGB"), _TILE)
        # At the bottom of its place, next to its caption.
        sheet.paste(tile, (left + (_TILE - tile.width) // 2, top + _TILE - tile.height))
        _write_caption(draw, (left, top + _TILE), mistake, class_names)
    with name_file(str(path)):
        sheet.save(path, "PNG")


def _write_caption(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], mistake: Mistake, class_names: Sequence[str]
) -> None:
    """Writes under an image: a bar as long as the model was sure, what it said, and what it should have said."""
    left, top = corner
    right = left + _TILE
    draw.rectangle((left, top + 5, right - 1, top + 9), _TRACK)
    draw.rectangle((left, top + 5, left + max(0, round(_TILE * mistake.probability) - 1), top + 9), _WRONG)
    font, small = load_font(14, bold=True), load_font(13)
    lines = (
        (top + 24, mistake.predicted, mistake.probability, _WRONG, font, "✗ "),
        (top + 45, mistake.label, mistake.true_probability, _RIGHT, small, "is "),
    )
    for middle, index, probability, colour, letters, before in lines:
        share = percent(probability)
        draw.text((right, middle), share, colour if letters is font else PALE_INK, font=letters, anchor="rm")
        room = _TILE - 6 - letters.getlength(share)
        draw.text(
            (left, middle),
            shorten(f"{before}{label(class_names[index], index)}", letters, room),
            colour,
            letters,
            anchor="lm",
        )
