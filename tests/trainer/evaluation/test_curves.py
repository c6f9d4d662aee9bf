"""The picture of the training curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.evaluation.curves import CLASSES, COLOURS, draw_curves

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


def test_a_coloriser_has_no_accuracy_and_so_one_panel(tmp_path: Path) -> None:
    history = {"epoch": list(range(1, 101)), "loss": [1 / n for n in range(1, 101)], "lrate": [2e-4] * 100}
    draw_curves(history, 100, "a title", tmp_path / "one.png", COLOURS)
    assert Image.open(tmp_path / "one.png").size == (900, 480)
    assert {(0x2B, 0x6C, 0xA3)} <= colours(tmp_path / "one.png")


def test_any_metrics_get_a_panel_each(tmp_path: Path) -> None:
    history = {**HISTORY, "lrate": [0.1, 0.05, 0.0]}
    metrics = {**CLASSES, "lrate": "learning rate"}
    draw_curves(history, 2, "a title", tmp_path / "three.png", metrics)
    assert Image.open(tmp_path / "three.png").size == (1800, 480)


def test_a_history_without_the_metrics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of loss is in the history: epoch, accuracy"):
        draw_curves({"epoch": [1], "accuracy": [0.5]}, 1, "a title", tmp_path / "none.png", COLOURS)
