"""The confusion matrix as a picture, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.evaluation.pictures import draw_confusion

DARKEST, LIGHTEST, NO_SHARE = (8, 48, 107), (247, 251, 255), (0xEC, 0xEC, 0xEA)


def count_pixels(path: Path, colour: tuple[int, int, int]) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return int((np.abs(pixels - colour).max(axis=-1) <= 1).sum())


def draw(matrix: np.ndarray, path: Path) -> Path:
    draw_confusion(matrix, [f"class {number}" for number in range(len(matrix))], "a title", path)
    return path


@pytest.mark.parametrize("num_classes", [2, 12, 13, 102])
def test_the_diagonal_of_a_perfect_matrix_is_dark_and_all_else_light(tmp_path: Path, num_classes: int) -> None:
    path = draw(np.diag(np.arange(1, num_classes + 1)), tmp_path / "matrix.png")
    dark, light = count_pixels(path, DARKEST), count_pixels(path, LIGHTEST)
    # Numbers in the cells, lines between them and the scale take some.
    assert dark / (dark + light) == pytest.approx(1 / num_classes, rel=0.25)
    assert dark > 30 * num_classes


def test_colours_are_shares_of_the_true_class_not_of_the_predicted(tmp_path: Path) -> None:
    # All of two classes taken for the first: two dark cells below each other.
    below = draw(np.array([[5, 0], [700, 0]]), tmp_path / "below.png")
    # All of one class taken for either: one dark cell at most.
    beside = draw(np.array([[350, 350], [5, 0]]), tmp_path / "beside.png")
    assert count_pixels(below, DARKEST) > 1.8 * count_pixels(beside, DARKEST)


def test_a_class_without_examples_has_no_shares(tmp_path: Path) -> None:
    assert count_pixels(draw(np.array([[3, 1], [0, 0]]), tmp_path / "empty.png"), NO_SHARE) > 1000
    assert count_pixels(draw(np.array([[3, 1], [0, 1]]), tmp_path / "full.png"), NO_SHARE) < 100


def test_up_to_twelve_classes_have_numbers_in_their_cells(tmp_path: Path) -> None:
    inside = {}
    for num_classes in (12, 13):
        pixels = np.asarray(
            Image.open(draw(8 * np.eye(num_classes, dtype=int), tmp_path / f"{num_classes}.png")).convert("RGB")
        ).astype(int)
        dark = np.abs(pixels - DARKEST).max(axis=-1) <= 1
        # The first cell's own rows and columns, without the lines around it.
        top = int(np.flatnonzero(dark.sum(axis=1) > 10)[0])
        left = int(np.flatnonzero(dark[top + 2])[0])
        width = int(np.argmin(dark[top + 2, left:]))
        inside[num_classes] = bool(dark[top + 2 : top + width - 4, left + 2 : left + width - 4].all())
    assert inside == {12: False, 13: True}


def test_true_classes_go_down_and_predicted_ones_across(tmp_path: Path) -> None:
    # All of the first of three classes taken for the third.
    path = draw(np.array([[0, 0, 9], [0, 0, 0], [0, 0, 0]]), tmp_path / "matrix.png")
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    dark, blank = (np.abs(pixels - colour).max(axis=-1) <= 1 for colour in (DARKEST, NO_SHARE))
    # The rows of the two classes without examples are below, and their columns are left of it.
    rows = np.flatnonzero(dark.sum(axis=1) > 30)
    columns = np.flatnonzero(dark.sum(axis=0) > 30)
    empty_rows, empty_columns = np.flatnonzero(blank.sum(axis=1) > 30), np.flatnonzero(blank.sum(axis=0) > 30)
    assert rows.max() < empty_rows.min()
    assert columns[0] > np.median(empty_columns)
