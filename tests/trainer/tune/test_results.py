"""The metric that a trial reports, and the file that keeps results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError, DatasetError
from tests.damage import damaged_json, fuzzed
from trainer import environment
from trainer.training import hypertune
from trainer.tune import metrics, results
from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result

STUDY = {"metric": "accuracy", "parameters": {"l2": ["DOUBLE", 0.1, (1, 2)]}, "--seed": 1}
TRIALS = [
    Result(1, {"l2": 1 / 3, "n": 16, "c": "0"}, COMPLETED, 0.7, {1: 0.5, 2: 0.7}, 3.2),
    Result(2, {"l2": 1e-6, "n": 32, "c": "1"}, FAILED, None, {}, 0.1, "it broke"),
    Result(3, {"l2": 0.1, "n": 64, "c": "1"}, STOPPED, 0.9, {1: 0.9}, 1.0),
    Result(4, {"l2": 0.2, "n": 16, "c": "1"}, COMPLETED, 0.7, {1: 0.5, 2: 0.7}, 3.0),
]


def test_what_the_trainer_writes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metric.jsonl"
    assert metrics.read(path, "accuracy") == {}
    monkeypatch.setenv(environment.METRIC_FILE, str(path))
    monkeypatch.setenv(environment.TRIAL, "3")
    # Killed behind the second epoch's line and before its backup, a trial reports it again.
    for epoch, value in [(1, 0.5), (2, 2 / 3), (2, 2 / 3), (3, 0.6)]:
        hypertune.report("accuracy", value, epoch)
    assert metrics.read(path, "accuracy") == {1: 0.5, 2: 2 / 3, 3: 0.6}
    assert metrics.read(path, "loss") == {}
    hypertune.report("accuracy", float("nan"), 4)
    assert list(metrics.read(path, "accuracy")) == [1, 2, 3]


@given(values=st.dictionaries(st.integers(1, 99), st.floats(-10, 10), min_size=1))
def test_a_trial_is_judged_by_its_last_or_its_best_value(values: dict[int, float]) -> None:
    ordered = dict(sorted(values.items()))
    assert metrics.select(ordered, is_best=False, is_maximised=True) == values[max(values)]
    assert metrics.select(ordered, is_best=True, is_maximised=True) == max(values.values())
    assert metrics.select(ordered, is_best=True, is_maximised=False) == min(values.values())


def test_a_stopped_or_failed_trial_is_never_the_best() -> None:
    assert [result.trial for result in results.rank(TRIALS, is_maximised=True)] == [1, 4, 3, 2]
    assert results.find_best(TRIALS, is_maximised=True) is TRIALS[0]
    assert results.find_best(TRIALS[1:3], is_maximised=True) is None
    assert results.find_best([], is_maximised=True) is None
    lower = Result(5, {}, COMPLETED, 0.2, {1: 0.2}, 1.0)
    assert results.find_best([*TRIALS, lower], is_maximised=False) is lower


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert results.load(tmp_path, STUDY) == {}
    results.save(tmp_path, STUDY, TRIALS[::-1], 1)
    assert results.load(tmp_path, STUDY) == {result.trial: result for result in TRIALS}
    content = json.loads((tmp_path / "trials.json").read_text(encoding="utf-8"))
    assert content["best"] == 1
    assert [trial["trial"] for trial in content["trials"]] == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["trials.json"]


def test_another_study_is_refused_by_what_differs(tmp_path: Path) -> None:
    results.save(tmp_path, STUDY, TRIALS, 1)
    with pytest.raises(ConfigError, match="--seed: got 2, expected 1, as in the study that is there; --overwrite beg"):
        results.load(tmp_path, {**STUDY, "--seed": 2})
    with pytest.raises(ConfigError, match="l2: got .* expected .*'DOUBLE'"):
        results.load(tmp_path, {**STUDY, "parameters": {"l2": []}})
    with pytest.raises(ConfigError, match="metric: got None"):
        results.load(tmp_path, {name: value for name, value in STUDY.items() if name != "metric"})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"study": {}, "trials": [{"trial": 1}]}'])
def test_a_damaged_file_is_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "trials.json").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"trials.json: damaged .* --overwrite begins the study anew"):
        results.load(tmp_path, STUDY)


def as_json() -> Any:
    trials = [{**dataclasses.asdict(trial), "measurements": {"1": 0.5}} for trial in TRIALS[:2]]
    return {"study": STUDY, "best": 1, "trials": trials}


@fuzzed
@given(damaged_json(as_json()))
def test_whatever_trials_json_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / results.FILE_NAME).write_bytes(damaged)
    try:
        read = results.load(tmp_path, STUDY)
    except (ConfigError, DatasetError) as error:
        said = str(error)
    else:
        assert results.rank(read.values(), is_maximised=True) or not read
        return
    assert "--overwrite begins" in said
    assert len(said.splitlines()) == 1


@fuzzed
@given(damaged_json({"trial": "1", "accuracy": "0.5", "global_step": "2"}))
def test_whatever_a_metric_file_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "metric.jsonl"
    path.write_bytes(damaged)
    try:
        read = metrics.read(path, "accuracy")
    except DatasetError as error:
        said = str(error)
    else:
        assert all(isinstance(epoch, int) for epoch in read)
        return
    assert said.startswith(f"{path}: line ")
    assert len(said.splitlines()) == 1
