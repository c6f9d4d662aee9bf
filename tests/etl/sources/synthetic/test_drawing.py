from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from etl.sources import synthetic
from etl.sources.synthetic import brush, drawing
from etl.sources.synthetic.blossoms import PAINTERS

LIGHT = (0.6, -0.8, 0.15)

DIGEST = """
import hashlib
from etl.sources.synthetic import drawing
files = (drawing.draw_jpeg(drawing.CLASS_NAMES[seed % 5], seed) for seed in range(15))
print(hashlib.md5(b"".join(files)).hexdigest())
"""


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """240 JPEG files, the classes in turn."""
    return [drawing.draw_jpeg(drawing.CLASS_NAMES[seed % 5], seed) for seed in range(240)]


def test_class_names_are_those_of_the_source() -> None:
    assert drawing.CLASS_NAMES == synthetic.CLASS_NAMES


@pytest.mark.parametrize("class_name", drawing.CLASS_NAMES)
def test_draw_flower_depends_on_class_and_seed_alone(class_name: str) -> None:
    picture = drawing.draw_flower(class_name, 5)
    assert picture.dtype == np.uint8
    assert picture.shape[2:] == (3,)
    assert np.array_equal(picture, drawing.draw_flower(class_name, 5))
    others = [drawing.draw_flower(class_name, 6), *(drawing.draw_flower(c, 5) for c in PAINTERS if c != class_name)]
    assert not any(np.array_equal(picture, other) for other in others)


def test_draw_jpeg_holds_what_draw_flower_draws(files: list[bytes]) -> None:
    for seed in range(5):
        picture = drawing.draw_flower(drawing.CLASS_NAMES[seed], seed).astype(float)
        decoded = np.asarray(Image.open(io.BytesIO(files[seed])), float)
        assert decoded.shape == picture.shape
        assert np.abs(decoded - picture).mean() < 4


def test_draw_jpeg_is_the_same_without_the_processors_vector_extensions() -> None:
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if not found:
        pytest.skip("this NumPy uses no vector extension beyond its baseline on this processor")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    command = [sys.executable, "-W", "ignore", "-c", DIGEST]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = (drawing.draw_jpeg(drawing.CLASS_NAMES[seed % 5], seed) for seed in range(15))
    assert done.stdout.strip() == hashlib.md5(b"".join(here)).hexdigest()


@pytest.mark.parametrize("draw", [drawing.draw_flower, drawing.draw_jpeg])
def test_an_unknown_class_is_refused(draw: object) -> None:
    assert callable(draw)
    with pytest.raises(KeyError, match="thistle"):
        draw("thistle", 0)


def test_files_are_baseline_rgb_jpegs_without_subsampling(files: list[bytes]) -> None:
    for file in files[:20]:
        image = Image.open(io.BytesIO(file))
        assert (image.format, image.mode, "progressive" in image.info) == ("JPEG", "RGB", False)
        assert JpegImagePlugin.get_sampling(image) == 0


def test_sizes_are_those_of_the_flowers_set(files: list[bytes]) -> None:
    sizes = [Image.open(io.BytesIO(file)).size for file in files]
    assert len(set(sizes)) >= 8
    assert all(159 <= width <= 500 and 212 <= height <= 375 for width, height in sizes)
    # The shares among the set's own files.
    for share, counted in (
        (0.39, sum(width == 500 for width, _ in sizes)),
        (0.40, sum(width == 320 for width, _ in sizes)),
        (0.13, sum(width < height for width, height in sizes)),
    ):
        assert abs(counted / len(files) - share) < 0.1


def test_file_sizes_are_those_of_the_flowers_set(files: list[bytes]) -> None:
    num_bytes = np.array([len(file) for file in files])
    # Of 1,400 files of the set: mean 65 kB, deviation 49 kB, smallest 8 kB, largest 244 kB.
    assert 50_000 < num_bytes.mean() < 70_000
    assert 28_000 < num_bytes.std() < 50_000
    assert 5_000 < num_bytes.min() < 18_000
    assert 130_000 < num_bytes.max() < 250_000


def ridge_accuracy(features: NDArray[np.float64], labels: NDArray[np.int64], num_train: int, weight: float) -> float:
    """Returns the share of the rows after `num_train` that a linear model of the rows before it gets right."""
    rows = np.column_stack([features, np.ones(len(features))])
    known, wanted = rows[:num_train], np.eye(5)[labels[:num_train]]
    solved = np.linalg.solve(known.T @ known + weight * np.eye(rows.shape[1]), known.T @ wanted)
    return float((np.argmax(rows[num_train:] @ solved, axis=1) == labels[num_train:]).mean())


def test_classes_can_be_learnt_but_not_by_mean_colour(files: list[bytes]) -> None:
    small = np.stack([np.asarray(Image.open(io.BytesIO(file)).resize((64, 64))) for file in files])
    labels = np.arange(len(files)) % 5
    bins = (small // 64).astype(np.int64) @ np.array([16, 4, 1])
    histograms = np.stack([np.bincount(row.ravel(), minlength=64) for row in bins]) / 64**2
    # Chance is 0.2; a small convolutional network gets above 0.9 from 400 images.
    assert ridge_accuracy(np.sqrt(histograms), labels, 160, 0.1) > 0.55
    assert ridge_accuracy(small.mean(axis=(1, 2)) / 255, labels, 160, 1e-3) < 0.45
    pixels = small[:, ::4, ::4].reshape(len(files), -1) / 255
    assert 0.25 < ridge_accuracy(pixels, labels, 160, 10.0) < 0.55


@given(
    class_name=st.sampled_from(drawing.CLASS_NAMES),
    x=st.floats(-40, 140),
    y=st.floats(-40, 110),
    radius=st.floats(1.5, 60),
    squash=st.floats(0.5, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_a_flower_changes_its_own_window_alone(
    class_name: str, x: float, y: float, radius: float, squash: float, seed: int
) -> None:
    picture = np.full((3, 70, 100), 128, np.float32)
    window = brush.open_window(picture, x, y, radius, LIGHT, turn=seed / 10, squash=squash)
    if window is None:
        assert x + radius < 2 or x - radius > 97 or y + radius < 2 or y - radius > 67
        return
    PAINTERS[class_name](window, Random(seed))
    assert np.isfinite(picture).all()
    away = np.maximum(np.abs(np.arange(100) - x), np.abs(np.arange(70) - y)[:, None])
    assert (picture[:, away > radius + 2] == 128).all()


@pytest.mark.parametrize("class_name", drawing.CLASS_NAMES)
def test_a_flower_covers_its_middle(class_name: str) -> None:
    picture = np.full((3, 100, 100), 128, np.float32)
    window = brush.open_window(picture, 50, 50, 40, LIGHT)
    assert window is not None
    PAINTERS[class_name](window, Random(1))
    changed = np.abs(picture - 128).max(axis=0) > 4
    assert changed[40:60, 40:60].mean() > 0.9
    assert not changed[:8].any()


def test_paint_is_as_opaque_as_it_is_told() -> None:
    picture = np.full((3, 9, 9), 100, np.float32)
    window = brush.open_window(picture, 4, 4, 10, (0, 0, 0))
    assert window is not None
    alpha = np.zeros((9, 9), np.float32)
    alpha[0, 0], alpha[0, 1] = 1, 0.5
    brush.paint(window, alpha, window.light, ((0, 50, 200), (200, 150, 0)), np.full((9, 9), 0.5, np.float32))
    assert picture[:, 0, 0].tolist() == [100, 100, 100]
    brush.paint(window, alpha, window.light, ((0, 50, 200), (200, 150, 0)), np.zeros((9, 9), np.float32))
    assert picture[:, 0, 0].tolist() == [0, 50, 200]
    assert picture[:, 0, 1].tolist() == [50, 75, 150]
    assert (picture[:, 1:] == 100).all()


def test_shadow_fades_with_the_distance() -> None:
    picture = np.full((3, 2, 4), 100, np.float32)
    window = brush.open_window(picture, 2, 1, 10, LIGHT)
    assert window is not None
    distance = np.array([[-1, 0, 0.1, 0.2]] * 2, np.float32)
    brush.shadow(window, distance, 0.2, 0.5)
    assert picture[0, 0] == pytest.approx([50, 50, 75, 100])


def test_narrow_keeps_the_pixels_around_the_centre() -> None:
    picture = np.zeros((3, 100, 100), np.float32)
    window = brush.open_window(picture, 50, 40, 30, LIGHT)
    assert window is not None
    part = window.narrow(0.5)
    part.view[...] = 1
    rows, columns = np.nonzero(picture[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 56, 35, 66)
    assert np.abs(part.u).max() == pytest.approx(16 / 30, abs=0.02)
    assert (part.x, part.y) == (50 - 35, 40 - 25)


def test_sample_finds_the_texture_in_its_place() -> None:
    texture = np.zeros((32, 32), np.float32)
    texture[:, 16:] = 1
    picture = np.zeros((3, 100, 100), np.float32)
    window = brush.open_window(picture, 50, 50, 40, LIGHT)
    assert window is not None
    left_and_right = brush.sample(window, (texture,), 0.5, 0.0)
    assert left_and_right[40, 30] == 0
    assert left_and_right[40, 52] == 1
    assert left_and_right[40, 65] == 0
    turned = brush.sample(window, (texture,), 0.5, np.pi / 2)
    assert (turned[30, 41], turned[52, 41]) == (0, 1)
