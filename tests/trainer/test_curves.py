"""The picture of the training curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.curves import draw_curves

HISTORY = {
    "epoch": [1, 2, 3],
    "loss": [1.5, 0.8, 0.5],
    "accuracy": [0.4, 0.7, 0.9],
    "val_loss": [1.4, 0.9, 1.1],
    "val_accuracy": [0.5, 0.8, 0.7],
}


def colours(path: Path) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    return {tuple(map(int, pixel)) for pixel in np.unique(pixels, axis=0)}


@pytest.mark.parametrize("num_epochs", [1, 3])
def test_training_and_validation_are_drawn(tmp_path: Path, num_epochs: int) -> None:
    history = {name: values[:num_epochs] for name, values in HISTORY.items()}
    draw_curves(history, 1, "a title", tmp_path / "both.png")
    assert Image.open(tmp_path / "both.png").size == (1200, 480)
    assert {(0x2B, 0x6C, 0xA3), (0xD9, 0x73, 0x1A)} <= colours(tmp_path / "both.png")


def test_without_validation_there_is_one_line(tmp_path: Path) -> None:
    history = {name: values for name, values in HISTORY.items() if not name.startswith("val_")}
    draw_curves(history, 3, "a title", tmp_path / "one.png")
    assert (0x2B, 0x6C, 0xA3) in colours(tmp_path / "one.png")
    assert (0xD9, 0x73, 0x1A) not in colours(tmp_path / "one.png")
