"""The tuner's metric file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer import environment
from trainer.training import hypertune


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "hypertune" / "output.metrics"
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", str(path))
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "3")
    return path


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_what_the_service_parses(path: Path) -> None:
    hypertune.report("accuracy", 0.75, 4)
    (line,) = read(path)
    assert set(line) == {"timestamp", "trial", "accuracy", "global_step", "checkpoint_path"}
    assert (line["trial"], line["accuracy"], line["global_step"]) == ("3", "0.75", "4")
    assert isinstance(line["timestamp"], float)


def test_lines_of_before_a_restart_stay_and_the_file_does_not_grow_for_ever(path: Path) -> None:
    for epoch in range(1, 151):
        hypertune.report("accuracy", epoch / 1000, epoch)
    assert [line["global_step"] for line in read(path)] == [str(epoch) for epoch in range(51, 151)]


def test_nothing_is_written_where_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUD_ML_HP_METRIC_FILE", raising=False)
    monkeypatch.delenv("CLOUD_ML_TRIAL_ID", raising=False)
    monkeypatch.setattr(environment, "_DEFAULT_METRIC_FILE", str(tmp_path / "metrics"))
    hypertune.report("accuracy", 0.5, 1)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CLOUD_ML_TRIAL_ID", "1")
    hypertune.report("accuracy", 0.5, 1)
    assert read(tmp_path / "metrics")[0]["accuracy"] == "0.5"


def test_a_bare_file_name_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_ML_HP_METRIC_FILE", "metrics")
    hypertune.report("loss", 1.5, 2)
    assert read(tmp_path / "metrics")[0]["loss"] == "1.5"
