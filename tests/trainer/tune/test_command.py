"""The command line: what is refused before any trial is begun."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.errors import ConfigError
from tests.trainer.tune.jobs import make_job
from trainer.tune import command, folder

L2 = {"parameterId": "l2", "discreteValueSpec": {"values": [0, 0.1]}}

Tune = Callable[..., int]


@pytest.fixture
def tune(tmp_path: Path, data_dir: Path) -> Tune:
    """Runs the command line, on a file with these contents."""

    def run(*flags: str, job: Any = None, arguments: tuple[str, ...] | None = None) -> int:
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(job or make_job(L2)), encoding="utf-8")
        own = ("--data_dir", str(data_dir), "--variant", "pixel", "--model", "linear")
        argv = ["--config", str(path), "--output_dir", str(tmp_path / "out"), *flags]
        return command.main([*argv, "--", *(own if arguments is None else arguments)])

    return run


def with_metric(name: str, goal: str) -> Any:
    return make_job(L2, study={"metrics": [{"metricId": name, "goal": goal}]})


@pytest.mark.parametrize(
    ("flags", "job", "message"),
    [
        (("--seed", "x"), None, "--seed: got 'x', expected a whole number from 0 to"),
        (("--max_trials", "0"), None, "--max_trials: got '0', expected a whole number, 1 or more"),
        (("--parallel_trials", "3"), None, "--parallel_trials: got 3, expected 2 at most, the file's parallelTrialC"),
        (("--resume", "--overwrite"), None, "--resume: got True, expected either --resume or --overwrite"),
        (("--output_dir", "gs://bucket/x"), None, "--output_dir: got 'gs://bucket/x', expected a local path"),
        (("--config", "neither"), None, "--config: got 'neither', expected a YAML file, or one of tune_bayes"),
        ((), with_metric("loss", "MINIMIZE"), "metricId: got 'loss', expected accuracy.* add --monitor loss"),
        ((), with_metric("recall", "MAXIMIZE"), "metricId: got 'recall', expected accuracy, which the trials report"),
        ((), with_metric("accuracy", "MINIMIZE"), "goal: got 'MINIMIZE', expected MAXIMIZE, for accuracy"),
        (
            (),
            make_job({"parameterId": "l3", "discreteValueSpec": {"values": [0]}}),
            "--l3: got '--l3=0', expected an option that exists; did you mean --l2?",
        ),
        (
            (),
            make_job({"parameterId": "num_hidden", "discreteValueSpec": {"values": [8]}}),
            "--num_hidden: got 8, expected a hyperparameter that linear takes",
        ),
        # Only the last of its values is out of the trainer's range.
        (
            (),
            make_job({"parameterId": "l2", "discreteValueSpec": {"values": [-1, 0, 1]}}),
            "--l2: got -1.0, expected L2 penalty",
        ),
        (
            (),
            make_job({"parameterId": "batch_size", "doubleValueSpec": {"minValue": 1, "maxValue": 2.5}}),
            "--batch_size: got '2.5', expected a whole number",
        ),
        (
            (),
            make_job({"parameterId": "output_dir", "categoricalValueSpec": {"values": ["a"]}}),
            "parameterId: got 'output_dir', expected a flag of trainer.task that can be tuned",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    flags: tuple[str, ...], job: Any, message: str, tune: Tune, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(*flags, job=job)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--data_dir: got None, expected a value"),
        (("--data_dir", "nowhere"), "--data_dir: got 'nowhere', expected the folder of a data set"),
        (("--data_dir", ".", "--overwrite"), "--overwrite: got '--overwrite', expected an argument that may be the"),
        (("--data_dir", ".", "--resume"), "--resume: got '--resume'"),
        (("--data_dir", ".", "--model_dir=x"), "--model_dir: got '--model_dir=x'"),
        (("--data_dir", ".", "--lrates", "3"), "--lrates: got '--lrates', expected an option that exists"),
    ],
)
def test_mistakes_in_the_trainers_arguments_are_told_at_once(
    arguments: tuple[str, ...], message: str, tune: Tune
) -> None:
    job = make_job(L2, trialJobSpec={})
    with pytest.raises(ConfigError, match=message):
        tune(job=job, arguments=arguments)


def test_trials_need_a_validation_split(tune: Tune, without_splits: Callable[..., Path]) -> None:
    data_dir = without_splits("validation")
    arguments = ("--data_dir", str(data_dir), "--variant", "pixel", "--model", "linear")
    with pytest.raises(ConfigError, match="--data_dir: got .* expected a data set with a validation split"):
        tune(arguments=arguments)


@pytest.mark.parametrize("name", ["trials", "trials.json"])
def test_a_study_that_is_there_is_not_begun_anew_unasked(name: str, tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    with pytest.raises(ConfigError, match="expected a folder without a study; add --resume to go on with it, or --ov"):
        tune()


def test_what_overwrite_removes_is_the_tuners_own(tmp_path: Path) -> None:
    for name in ("trials/1", "best", "mine"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("trials.json", "parallel_coordinates.png", "notes.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    folder.prepare(tmp_path, resume=False, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".replaced", "mine", "notes.txt"]
    folder.prepare(tmp_path, resume=False, overwrite=False)
    folder.finish(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "notes.txt"]


def test_a_complete_study_is_kept_until_another_one_is_complete(tmp_path: Path) -> None:
    for text in ("complete", "killed", "killed too"):
        (tmp_path / "trials.json").write_text(text, encoding="utf-8")
        folder.prepare(tmp_path, resume=False, overwrite=True)
        assert not (tmp_path / "trials.json").exists()
    assert (tmp_path / ".replaced" / "trials.json").read_text(encoding="utf-8") == "complete"


def test_two_tuners_dont_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr(folder, "_WAIT_SECONDS", 0.3)
    with (
        folder.locked(tmp_path / "out"),
        pytest.raises(ConfigError, match=f"no other run is writing to; process {os.getpid()} on "),
        folder.locked(tmp_path / "out"),
    ):
        pass
    assert "is writing there; waiting for it to end" in capfd.readouterr().err
    with folder.locked(tmp_path / "out"):
        pass
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="--output_dir: got .*file', expected a folder that can be written"):
        folder.locked(tmp_path / "file").__enter__()


def test_another_seed_is_another_study(tune: Tune, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    content = {"study": {"--seed of the search": 4}, "best": None, "trials": []}
    (tmp_path / "out" / "trials.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match="as in the study that is there; --overwrite begins it anew"):
        tune("--resume", "--seed", "3")
