"""The grid of grey, predicted and true images, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.evaluation.pictures import ColourSample, draw_colours
from trainer.evaluation.pictures.colours import to_pixels


def make(number: int) -> ColourSample:
    """One whose three images can be told from each other and from all others'."""
    grey = np.full((80, 80, 1), number / 127.5 - 1, np.float32)
    predicted = np.full((80, 80, 3), (100 + number) / 127.5 - 1, np.float32)
    return ColourSample(grey, predicted, np.full((80, 80, 3), (200 + number) / 127.5 - 1, np.float32))


@pytest.mark.parametrize(("count", "size"), [(2, (524, 494)), (8, (1214, 494)), (9, (1214, 938)), (16, (1214, 938))])
def test_every_image_is_there_three_times(tmp_path: Path, count: int, size: tuple[int, int]) -> None:
    draw_colours([make(number) for number in range(count)], "a title", tmp_path / "grid.png")
    sheet = Image.open(tmp_path / "grid.png")
    assert sheet.size == size
    pixels = np.asarray(sheet)
    for number in range(count):
        block, column = divmod(number, 8)
        for row in range(3):
            y, x = 50 + block * 444 + row * 138 + 66, 104 + column * 138 + 66
            assert pixels[y, x].tolist() == [100 * row + number] * 3


def test_values_beyond_the_range_are_clipped() -> None:
    values = np.array([[[-3.0, -1.0, 0.0], [1.0, 7.0, 0.5]]], np.float32)
    assert to_pixels(values).tolist() == [[[0, 0, 128], [255, 255, 191]]]
    assert to_pixels(values[..., :1]).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_all_pixels_survive_the_way_to_floats_and_back() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    assert (to_pixels(pixels.astype(np.float32) / 255 * 2 - 1) == pixels).all()
