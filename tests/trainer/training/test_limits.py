"""Limits of the machine that a training meets: it ends in one line, and nothing of it is lost."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.limited import check_line, soft_limit
from tests.trainer.conftest import Train

# Less than the exported model's graph, more than all that is written before it.
ROOM_BYTES = 150_000


def test_a_disk_that_is_full_after_the_training_costs_no_epoch(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    with soft_limit(resource.RLIMIT_FSIZE, ROOM_BYTES):
        assert train(output) == 1
    printed = capfd.readouterr().err
    check_line(printed, str(output), "the file is larger than", "--resume goes on from the last backup")
    assert "epoch 2/2" in printed
    assert [path.name for path in output.iterdir()] == ["backup"]
    assert train(output, "--resume") == 0
    assert "epoch" not in capfd.readouterr().err
    assert (output / "model" / "saved_model.pb").exists()


def test_an_output_of_too_long_a_name_is_the_operators_mistake(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / ("x" * 300)) == 2
    check_line(capfd.readouterr().err, "--output_dir: got", "the name is too long")
