"""Draws an evaluation: the confusion matrix, the worst mistakes, and colorized images."""

from __future__ import annotations

from trainer.evaluation.pictures.colours import ColourSample, draw_colours
from trainer.evaluation.pictures.confusion import draw_confusion
from trainer.evaluation.pictures.mistakes import Mistake, WorstMistakes, draw_mistakes

__all__ = [
    "ColourSample",
    "Mistake",
    "WorstMistakes",
    "draw_colours",
    "draw_confusion",
    "draw_mistakes",
]
