"""Pictures, tables and pages of 20,000 classes, a million records and thousands of trials: bounded, and right."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etl import inspect
from etl.card.page import render
from etl.card.samples import Samples
from etl.errors import run_main
from etl.format.features import ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Variant
from tests.trainer.tune.jobs import BATCH, DISTORT, HIDDEN, L2, make_job
from trainer.evaluation import pictures
from trainer.evaluation.confusion import Confusion
from trainer.evaluation.curves import draw_curves
from trainer.evaluation.evaluate import Tally
from trainer.evaluation.pictures.confusion import block_size, sum_blocks
from trainer.serving import answers
from trainer.serving.predictions import Prediction
from trainer.training import report
from trainer.tune import display, plot, spec
from trainer.tune.results import COMPLETED, Result

NUM_CLASSES = 20_000
NAMES = tuple(f"class {number}" for number in range(NUM_CLASSES))
# What an evaluation may hold in memory, and a side of a picture in pixels.
MOST_BYTES, MOST_PIXELS = 100_000_000, 4_000


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert max(picture.size) <= MOST_PIXELS


def test_an_evaluation_of_many_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    tally = Tally(NAMES)
    with little_memory():
        for _ in range(50):
            labels = random.integers(0, NUM_CLASSES, 2)
            probabilities = np.zeros((2, NUM_CLASSES), np.float32)
            probabilities[np.arange(2), random.integers(0, NUM_CLASSES, 2)] = 1
            tally.add(labels, probabilities)
        tally.confusion.add(np.full(9, 7), np.full(9, 19_999))
        scores = tally.summarise()
        blocks = tally.confusion.blocks(block_size(NUM_CLASSES))
    pictures.draw_confusion(blocks, NAMES, "a title", tmp_path / "confusion.png")
    check_picture(tmp_path / "confusion.png")
    assert "20,000 classes are more than fit, so 100 neighbouring ones share a row" in capfd.readouterr().err
    assert "confusion_matrix" not in scores
    assert scores["confusions"][0] == {"true": "class 7", "predicted": "class 19999", "count": 9}
    assert len(scores["classes"]) == NUM_CLASSES
    assert len(json.dumps(scores)) < 5_000_000
    table = report._classes_table(scores)
    assert 0 < table.row_count <= report.MOST_ROWS
    assert "20,000 classes" in str(table.caption)


def test_blocks_of_classes_hold_every_count() -> None:
    random = np.random.default_rng(1)
    labels, predictions = random.integers(0, 7, (2, 500))
    counted = Confusion(7)
    counted.add(labels, predictions)
    whole = counted.blocks()
    assert whole.sum() == 500
    np.testing.assert_array_equal(counted.blocks(3), sum_blocks(whole, 3))
    assert counted.blocks(3)[2, 0] == whole[6, :3].sum()
    mistakes = counted.most_frequent(100)
    assert sum(count for _, _, count in mistakes) == 500 - np.trace(whole)
    assert all(whole[true, predicted] == count and true != predicted for true, predicted, count in mistakes)
    assert [count for _, _, count in mistakes] == sorted((count for _, _, count in mistakes), reverse=True)


def test_a_matrix_of_more_classes_than_are_named_is_drawn_in_blocks(tmp_path: Path) -> None:
    pictures.draw_confusion(np.eye(1_000, dtype=np.int64), NAMES[:1_000], "a title", tmp_path / "whole.png")
    pictures.draw_confusion(5 * np.eye(200, dtype=np.int64), NAMES[:1_000], "a title", tmp_path / "blocks.png")
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "blocks.png").read_bytes()
    check_picture(tmp_path / "whole.png")


def big_manifest() -> Manifest:
    shards = tuple(Shard(f"train-{number:05d}-of-02000.tfrecord", 500, 10**8, "0" * 64) for number in range(2_000))
    counts = dict.fromkeys(NAMES, 50)
    splits = {name: Split(name, 10**6, 2 * 10**11, counts, shards) for name in ("train", "validation", "test")}
    variant = Variant("jpeg", ImageSpec("jpeg", "uint8"), {}, splits)
    return Manifest("big", NAMES, Counts(3 * 10**6, 3 * 10**6, {}), {"jpeg": variant})


def test_the_card_of_a_large_data_set_is_light() -> None:
    page = render(big_manifest(), Samples(), {})
    assert len(page) < 1_000_000
    assert "class 19999" not in page


def test_two_large_data_sets_are_compared_in_few_lines() -> None:
    one = big_manifest()
    other = Manifest("big", NAMES[::-1], one.counts, one.variants)
    (line,) = inspect.differences(one, other)
    assert len(line) < 1_000
    assert "19,980 more" in line


def test_an_inspection_prints_the_first_problems(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from etl.format import manifest as manifests

    (tmp_path / "manifest.json").write_text(manifests.to_json(big_manifest()), encoding="utf-8")
    assert run_main(inspect.main, [str(tmp_path)]) == 1
    printed = capfd.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 101
    assert errors[-1].endswith("more problems")


def test_the_curves_of_ten_thousand_epochs(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    history = {name: random.random(10_000).tolist() for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    draw_curves({"epoch": list(range(1, 10_001)), **history}, 9_000, "a title", tmp_path / "curves.png")
    check_picture(tmp_path / "curves.png")


def test_a_study_of_thousands_of_trials(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = spec.read(make_job(L2, HIDDEN, BATCH, DISTORT))
    values = {"l2": 1e-3, "num_hidden": 16, "batch_size": 32, "with_color_distort": "1"}
    trials = [Result(number, values, COMPLETED, number / 5_000, {1: 0.5}, 1.0) for number in range(1, 5_001)]
    plot.draw(study, trials, tmp_path / "all.png")
    plot.draw(study, trials[-600:], tmp_path / "some.png")
    check_picture(tmp_path / "all.png")
    display.print_table(study, trials)
    printed = capfd.readouterr().out
    assert len(printed.splitlines()) < 120
    assert "the 100 best of 5,000 trials" in printed
    assert " 5000 │" in printed


def test_predictions_of_many_files_come_in_tables_of_500(capfd: pytest.CaptureFixture[str]) -> None:
    made: list[int] = []

    def predictions() -> Iterator[Prediction]:
        for number in range(1_200):
            made.append(number)
            if number == 500:
                # The first table is out before the second is asked for.
                assert "file-499" in capfd.readouterr().out
            yield Prediction(f"file-{number}", "daisy", 0, 0.5)

    assert answers._print_table(predictions(), "classes") == 0
    printed = capfd.readouterr().out
    assert "file-1199" in printed
    assert printed.count("probability") == 2
    assert len(made) == 1_200
