"""`tune`: what it would send, what it sends, going on from a study, and training with its best trial."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.vertex.jobs import script
from tests.fakes.vertex.server import VertexServer
from trainer.vertex.api import requests, waiting
from trainer.vertex.training import specs

Run = Callable[..., int]

STUDY = """\
displayName: petals-study
maxTrialCount: 6
parallelTrialCount: 2
maxFailedTrialCount: 3
studySpec:
  metrics: [{metricId: accuracy, goal: MAXIMIZE}]
  parameters:
  - parameterId: l2
    scaleType: UNIT_LOG_SCALE
    doubleValueSpec: {minValue: 1.0e-6, maxValue: 1.0e-1}
  - parameterId: batch_size
    discreteValueSpec: {values: [16, 32, 64]}
  - parameterId: num_hidden
    integerValueSpec: {minValue: 8, maxValue: 256}
  - parameterId: with_color_distort
    categoricalValueSpec: {values: ["0", "1"]}
trialJobSpec:
  workerPoolSpecs:
  - machineSpec: {machineType: n1-standard-8}
    replicaCount: 1
    pythonPackageSpec:
      executorImageUri: IMAGE_URI
      packageUris: []
      args: [--model=mobilenet]
labels: {chapter: "7"}
"""
PACKAGE = ("--package_uri", "gs://petals/packages/petalstream.tar.gz")
OUT = ("--base_output_dir", "gs://petals/study")
FLAGS = ("--", "--data_dir", "gs://petals/data")
TUNING = "POST hyperparameterTuningJobs"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def last(vertex: VertexServer, short: str = TUNING) -> dict[str, Any]:
    return vertex.bodies(short)[-1]


def score(parameters: dict[str, Any]) -> float:
    """Best near 100 hidden units."""
    return 1 - abs(parameters["num_hidden"] - 100) / 256


def ours() -> list[str]:
    return sorted(path.stem for path in specs.CONFIGS_DIR.glob("tune_*.yaml"))


def test_the_dry_run_prints_what_is_sent(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["tune", "--config", study, *PACKAGE, *OUT, "--display_name", "my study", "--label", "team=pets"]
    argv += ["--max_trials", "8", "--parallel_trials", "4", "--spot", "--image", "mine"]
    assert command(*argv, "--dry_run", *FLAGS) == 0
    shown = capsys.readouterr().out
    assert vertex.calls == []
    assert command(*argv, *FLAGS) == 0
    body = last(vertex)
    message = requests.parse("HyperparameterTuningJob", yaml.safe_load(shown))
    assert message == requests.parse("HyperparameterTuningJob", body)
    assert "--display-name=my study" in shlex.split(shown.splitlines()[0])
    assert body["displayName"] == "my study"
    assert body["labels"] == {"chapter": "7", "managed_by": "petalstream", "team": "pets"}
    assert (body["maxTrialCount"], body["parallelTrialCount"], body["maxFailedTrialCount"]) == (8, 4, 3)
    spec = body["trialJobSpec"]
    assert spec["baseOutputDirectory"] == {"outputUriPrefix": "gs://petals/study"}
    assert spec["scheduling"] == {"strategy": "SPOT"}
    package = spec["workerPoolSpecs"][0]["pythonPackageSpec"]
    assert package["executorImageUri"] == "mine"
    assert package["packageUris"] == [PACKAGE[1]]
    assert package["args"] == ["--model=mobilenet", *FLAGS[1:]]


def test_our_studies_are_sent(vertex: VertexServer, command: Run) -> None:
    assert ours()
    for name in ours():
        assert command("tune", "--config", name, *PACKAGE, *OUT, *FLAGS) == 0, name
        assert command("tune", "--config", name.removeprefix("tune_"), *PACKAGE, *OUT, *FLAGS) == 0, name
        assert last(vertex)["displayName"].startswith("petalstream-tune-")


def test_waiting_ends_with_the_trials(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).score = score
    script(vertex).num_failed_trials = 1
    assert command("tune", "--config", study, *PACKAGE, *OUT, "--wait", *FLAGS) == 0
    out, err = capsys.readouterr()
    rows = [line for line in out.splitlines() if "succeeded" in line]
    values = [float(row.split("│")[3]) for row in rows if row.count("│") > 4]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    assert out.count("infeasible") == 1
    assert f"6 of 6 trials, best accuracy {values[0]:.4f}" in err


def test_a_study_that_fails_shows_its_trials_and_why(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    script(vertex).states = ("RUNNING", "FAILED")
    script(vertex).error = {"code": 9, "message": "Too many trials failed."}
    script(vertex).num_failed_trials = 6
    assert command("tune", "--config", study, *PACKAGE, *OUT, "--wait", *FLAGS) == 1
    out, err = capsys.readouterr()
    assert out.count("infeasible") == 6
    assert "failed: Too many trials failed.; logs: https://" in err.splitlines()[-1]


def run_study(study: Path, vertex: VertexServer, command: Run, *options: str) -> str:
    script(vertex).score = score
    assert command("tune", "--config", study, *PACKAGE, *OUT, *options, "--wait", *FLAGS) == 0
    newest = vertex.store.of("projects/petals-123/locations/europe-west4", "hyperparameterTuningJobs")[0]
    return str(newest["name"])


def test_a_study_goes_on_around_the_best_of_the_last(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_study(study, vertex, command)
    number = first.rsplit("/", 1)[1]
    second = run_study(study, vertex, command, "--resume_from", number, "--max_trials", "10")
    body = last(vertex)
    assert body["maxTrialCount"] == 4
    assert body["labels"]["resumed_from"] == number
    hidden = body["studySpec"]["parameters"][2]["integerValueSpec"]
    assert 8 <= int(hidden["minValue"]) <= 100 <= int(hidden["maxValue"]) < 256
    assert "before, trial " in capsys.readouterr().out
    # Those of both count now.
    assert (
        command("tune", "--config", study, *PACKAGE, *OUT, "--resume_from", second, "--max_trials", "10", *FLAGS) == 2
    )
    assert "--max_trials: got 10, expected more than the 10 trials" in capsys.readouterr().err


def test_status_shows_the_trials_and_the_study_before(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_study(study, vertex, command)
    second = run_study(study, vertex, command, "--resume_from", first, "--max_trials", "9")
    capsys.readouterr()
    assert command("status", second) == 0
    out = capsys.readouterr().out
    assert out.count("succeeded") == 3 + 1
    assert f"of {first}: " in out
    assert "gs://petals/study" in out


def test_a_study_of_something_else_is_not_gone_on_from(
    study: Path, tmp_path: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_study(study, vertex, command)
    other = tmp_path / "other.yaml"
    other.write_text(STUDY.replace("parameterId: l2", "parameterId: dropout"), encoding="utf-8")
    other.write_text(STUDY.replace("metricId: accuracy", "metricId: loss"), encoding="utf-8")
    capsys.readouterr()
    assert command("tune", "--config", other, *PACKAGE, *OUT, "--resume_from", first, *FLAGS) == 2
    assert "expected a study of loss over l2, batch_size" in capsys.readouterr().err


def test_the_best_trial_is_trained_once_more(
    study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run_study(study, vertex, command)
    run_study(study, vertex, command, "--resume_from", first, "--max_trials", "12")
    job = vertex.store.of("projects/petals-123/locations/europe-west4", "hyperparameterTuningJobs")[0]
    capsys.readouterr()
    argv = ("tune", "--from_best_trial", job["name"].rsplit("/", 1)[1])
    flags = ("--", "--num_epochs", "30")
    assert command(*argv, "--display_name", "x", "--dry_run", *flags) == 0
    shown = capsys.readouterr().out
    assert vertex.bodies("POST customJobs") == []
    assert command(*argv, "--display_name", "x", "--wait", *flags) == 0
    body = last(vertex, "POST customJobs")
    assert requests.parse("CustomJobSpec", yaml.safe_load(shown)) == requests.parse("CustomJobSpec", body["jobSpec"])
    assert body["jobSpec"]["baseOutputDirectory"] == {"outputUriPrefix": "gs://petals/study/best"}
    args = body["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]["args"]
    assert args[:3] == ["--model=mobilenet", *FLAGS[1:]]
    assert args[-2:] == ["--num_epochs", "30"]
    tuned = dict(flag[2:].split("=") for flag in args[3:-2])
    assert list(tuned) == ["l2", "batch_size", "num_hidden", "with_color_distort"]
    everything = [
        {entry["parameterId"]: entry["value"] for entry in trial["parameters"]}
        for resource in vertex.store.of("projects/petals-123/locations/europe-west4", "hyperparameterTuningJobs")
        for trial in resource["trials"]
    ]
    assert float(tuned["num_hidden"]) == max(everything, key=score)["num_hidden"]
    out, err = capsys.readouterr()
    assert f"--num_hidden={tuned['num_hidden']}" in err
    assert "succeeded" in out


WRONG = {
    "no study": (("tune", *PACKAGE, *OUT, *FLAGS), "--config: got None, expected a value; or --from_best_trial"),
    "unknown": (("tune", "--config", "bayesian", *FLAGS), "--config: got 'bayesian', expected one of tune_"),
    "no data": (("tune", "--config", "STUDY", *PACKAGE, *OUT), "--data_dir: got None"),
    "both": (("tune", "--config", "STUDY", "--from_best_trial", "7"), "--config: got"),
    "count": (("tune", "--config", "STUDY", "--max_trials", "0"), "--max_trials: got '0'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_found_before_anything_is_sent(
    name: str, study: Path, vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, expected = WRONG[name]
    assert command(*(str(study) if word == "STUDY" else word for word in argv)) == 2
    err = capsys.readouterr().err
    assert expected in err, err
    assert err.count("\n") == 1
    assert vertex.calls == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("parameterId: l2", "parameterId: l3", "--l3: .*did you mean --l2"),
        ("maxValue: 1.0e-1", "maxValue: 1.0e-1, step: 2", "doubleValueSpec.step"),
        ("[16, 32, 64]", "[0, 32]", "--batch_size: got 0"),
        ("maxTrialCount", "max_trial_count", "API's spelling, maxTrialCount"),
        ("studySpec", "studySpecs", "did you mean studySpec"),
        ("  parameters:", "  parameters: []\n  old:", "old"),
        ("    pythonPackageSpec:", "    pythonPackage:", "pythonPackage"),
    ],
)
def test_a_wrong_study_is_refused(
    old: str,
    new: str,
    expected: str,
    tmp_path: Path,
    vertex: VertexServer,
    command: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert old in STUDY
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace(old, new), encoding="utf-8")
    assert command("tune", "--config", path, *PACKAGE, *OUT, *FLAGS) == 2
    err = capsys.readouterr().err
    assert re.search(expected, err), err
    assert vertex.calls == []


def test_a_study_that_is_not_there(vertex: VertexServer, command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("tune", "--from_best_trial", "4711") == 2
    err = capsys.readouterr().err
    assert "looking at tuning job 4711" in err
    assert "python -m trainer.vertex list tuning" in err
    assert command("tune", "--from_best_trial", "customJobs/4711") == 2
    assert "expected the name of a tuning job" in capsys.readouterr().err
