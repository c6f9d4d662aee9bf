"""The choice of the worst mistakes, and the sheet of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl.images.lettering import load_font, shorten
from etl.words import on_one_line
from trainer.evaluation.pictures import Mistake, WorstMistakes, draw_mistakes
from trainer.evaluation.pictures.sheet import percent

NAMES = ("daisy", "roses", "tulips")
PAPER = [250, 250, 248]


def say(predicted: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Probabilities (B, 3), the likeliest class `predicted`."""
    said = np.eye(3)[predicted]
    return said * sure[:, np.newaxis] + (1 - said) * (1 - sure[:, np.newaxis]) / 2


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(40, 100)), max_size=60),
    st.integers(1, 60),
    st.integers(1, 8),
)
def test_the_surest_are_kept_however_they_come(cases: list[tuple[int, int, int]], batch: int, size: int) -> None:
    labels, predicted, sure = np.array(cases, np.int64).reshape(-1, 3).T
    probabilities = say(predicted, sure / 100)
    images = np.arange(len(cases), dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis].repeat(3, -1)
    worst = WorstMistakes(size)
    for first in range(0, len(cases), batch):
        part = slice(first, first + batch)
        worst.add(images[part], labels[part], probabilities[part])
    wrong = [number for number in range(len(cases)) if labels[number] != predicted[number]]
    expected = sorted(wrong, key=lambda number: (-sure[number], number))[:size]
    kept = worst.sorted()
    assert [mistake.pixels[0, 0, 0] for mistake in kept] == expected
    assert [mistake.label for mistake in kept] == labels[expected].tolist()
    assert [mistake.predicted for mistake in kept] == predicted[expected].tolist()
    assert [mistake.probability for mistake in kept] == pytest.approx((sure[expected] / 100).tolist())
    assert [mistake.true_probability for mistake in kept] == pytest.approx(((1 - sure[expected] / 100) / 2).tolist())
    assert worst.has_images == bool(cases)


def test_no_batch_is_kept_for_one_image() -> None:
    images = np.zeros((64, 10, 10, 3), np.uint8)
    worst = WorstMistakes()
    worst.add(images, np.zeros(64, int), say(np.ones(64, int), np.full(64, 0.9)))
    kept = worst.sorted()
    assert len(kept) == 24
    assert all(mistake.pixels.base is None for mistake in kept)


def make(number: int, shape: tuple[int, ...] = (20, 40, 3), probability: float = 0.8) -> Mistake:
    pixels = np.full(shape, 10 + number, np.uint8)
    return Mistake(probability, -number, 0.1, label=number % 3, predicted=(number + 1) % 3, pixels=pixels)


@pytest.mark.parametrize(("count", "size"), [(1, (566, 300)), (6, (1118, 300)), (7, (1118, 546)), (24, (1118, 1038))])
def test_every_mistake_has_its_place(tmp_path: Path, count: int, size: tuple[int, int]) -> None:
    draw_mistakes([make(number) for number in range(count)], NAMES, "a title", tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == size
    pixels = np.asarray(sheet)
    for number in range(24):
        row, column = divmod(number, 6)
        # Wide images stand at the bottom of their places.
        top, left = 54 + row * 246, 14 + column * 184
        if number < count:
            assert pixels[top + 160, left + 5].tolist() == [10 + number] * 3
            assert pixels[top + 20, left + 85].tolist() == PAPER
        elif top + 160 < size[1] and left + 5 < size[0]:
            assert pixels[top + 160, left + 5].tolist() == PAPER


def test_the_bar_is_as_long_as_the_model_was_sure(tmp_path: Path) -> None:
    draw_mistakes([make(0, probability=0.5)], NAMES, "a title", tmp_path / "sheet.png")
    row = np.asarray(Image.open(tmp_path / "sheet.png"))[54 + 170 + 7]
    assert (row == (176, 58, 46)).all(axis=-1).sum() == 85
    assert (row == (228, 228, 224)).all(axis=-1).sum() == 85


def test_grey_and_tall_images_fit(tmp_path: Path) -> None:
    draw_mistakes([make(3, (40, 20, 1)), make(5, (1, 300, 3))], NAMES, "a title", tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert pixels[54 + 5, 14 + 85].tolist() == [13] * 3
    assert pixels[54 + 5, 14 + 20].tolist() == PAPER
    assert pixels[54 + 169, 14 + 184 + 85].tolist() == [15] * 3


def test_no_mistakes_are_a_sheet_with_a_title(tmp_path: Path) -> None:
    draw_mistakes([], NAMES, "0 mistakes in 9 images", tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (566, 68)
    assert np.asarray(sheet).min() < 100


@given(st.text(max_size=60), st.integers(20, 300))
def test_texts_are_cut_to_their_width(text: str, width: int) -> None:
    font = load_font(13)
    cut = shorten(text, font, width)
    assert font.getlength(cut) <= width
    line = on_one_line(text)
    assert cut == line or (cut.endswith("…") and line.startswith(cut[:-1]))


def test_little_is_not_nothing_and_nearly_all_not_all() -> None:
    shares = [0, 0.001, 0.005, 0.5, 0.994, 0.999, 1]
    assert [percent(share) for share in shares] == ["0 %", "<1 %", "<1 %", "50 %", "99 %", ">99 %", "100 %"]
