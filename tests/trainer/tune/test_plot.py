"""The parallel coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from tests.trainer.tune.jobs import BATCH, DISTORT, HIDDEN, L2, make_job
from trainer.tune import plot, spec
from trainer.tune.parameters import LINEAR, LOG, REVERSE_LOG, Parameter
from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result

STUDY = spec.read(make_job(L2, HIDDEN, BATCH, DISTORT))
VALUES = {"l2": 1e-3, "num_hidden": 16, "batch_size": 32, "with_color_distort": "1"}


def make(trial: int, state: str, value: float | None, **values: object) -> Result:
    return Result(trial, {**VALUES, **values}, state, value, {1: value or 0.0}, 1.0)  # type: ignore[dict-item]


def draw(path: Path, *trials: Result) -> np.ndarray:
    plot.draw(STUDY, trials, path)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def count_coloured(pixels: np.ndarray) -> int:
    """Of the lines of completed trials: all else is black, white or grey."""
    return int((np.ptp(pixels, axis=-1) > 60).sum())


def test_completed_trials_have_colours_and_the_best_is_the_thickest(tmp_path: Path) -> None:
    one = draw(tmp_path / "1.png", make(1, COMPLETED, 0.5))
    two = draw(tmp_path / "2.png", make(1, COMPLETED, 0.5), make(2, COMPLETED, 0.9, l2=1e-5, num_hidden=60))
    assert count_coloured(one) > 2000
    assert count_coloured(two) > 1.2 * count_coloured(one)
    assert one.shape == two.shape


def test_stopped_trials_are_grey_and_failed_ones_absent(tmp_path: Path) -> None:
    one = draw(tmp_path / "1.png", make(1, COMPLETED, 0.5), make(2, COMPLETED, 0.6))
    failed = draw(tmp_path / "2.png", make(1, COMPLETED, 0.5), make(2, COMPLETED, 0.6), make(3, FAILED, None, l2=1e-5))
    np.testing.assert_array_equal(one, failed)
    # Far below all others, it neither moves nor recolours them.
    worst = make(3, STOPPED, 0.01, l2=1e-6, num_hidden=1, batch_size=64, with_color_distort="0")
    stopped = draw(tmp_path / "3.png", make(1, COMPLETED, 0.5), make(2, COMPLETED, 0.6), worst)
    assert count_coloured(stopped) == pytest.approx(count_coloured(one), rel=0.05)
    assert (stopped != one).any()


def test_with_stopped_trials_alone_there_is_still_a_picture(tmp_path: Path) -> None:
    assert draw(tmp_path / "1.png", make(1, STOPPED, 0.5)).size


@example(low=128, more=1, kind=("DOUBLE", LINEAR))
@given(
    low=st.integers(1, 1000),
    more=st.integers(0, 10**6),
    # Near the upper end of a reversed logarithm four digits of a DOUBLE say little.
    kind=st.sampled_from(
        [("DOUBLE", LINEAR), ("DOUBLE", LOG), *(("INTEGER", each) for each in (LINEAR, LOG, REVERSE_LOG))]
    ),
)
def test_what_is_written_beside_an_axis_is_in_its_place(low: int, more: int, kind: tuple[str, str]) -> None:
    parameter = Parameter("n", kind[0], low, low + more, scale=kind[1])
    marks = plot.ticks(parameter)
    heights = [height for height, _ in marks]
    assert heights == sorted(heights)
    for height, words in marks:
        assert height == pytest.approx(plot.place(parameter, min(max(float(words), low), low + more)), abs=0.05)


def test_decades_are_written_where_there_are_several() -> None:
    words = [words for _, words in plot.ticks(Parameter("l2", "DOUBLE", 1e-6, 1e-1, scale=LOG))]
    assert words == ["1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1"]
    words = [words for _, words in plot.ticks(Parameter("n", "INTEGER", 16, 2048, scale=LOG))]
    assert words == ["16", "54", "181", "609", "2048"]
