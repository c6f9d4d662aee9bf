"""Real studies: trials that are processes, one of which fails and one is hopeless, on their own and killed."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from tests.trainer.tune.jobs import make_job
from trainer import layout
from trainer.tune import spec
from trainer.tune.search import Search

ROOT = Path(__file__).parents[3]
USELESS, GOOD, BETTER, RUINOUS = 1e-9, 1e-4, 2e-4, 1e38
JOB = make_job(
    {"parameterId": "lrate", "discreteValueSpec": {"values": [USELESS, GOOD, BETTER, RUINOUS]}},
    # Two completed trials are enough to judge another by, from its first epoch on.
    study={
        "algorithm": "GRID_SEARCH",
        "convexAutomatedStoppingSpec": {"minStepCount": 1, "minMeasurementCount": 1},
        "measurementSelectionType": "BEST_MEASUREMENT",
    },
    maxTrialCount=4,
    trialJobSpec={},
)
FLAGS = ("--model=linear", "--variant=pixel", "--num_epochs=60", "--batch_size=8", "--seed=1")


@pytest.fixture(scope="module")
def seed() -> int:
    """One that proposes two good trials, the one that fails, and the hopeless one, to which the good ones are known."""
    for number in range(1000):
        search = Search(spec.read(JOB), number)
        rates = [(search.ask() or {})["lrate"] for _ in range(4)]
        if rates[2:] == [RUINOUS, USELESS]:
            return number
    raise AssertionError("no such seed")


def start(config: Path, output_dir: Path, data_dir: Path, seed: int, *flags: str) -> subprocess.Popen[str]:
    own = ["--config", str(config), "--output_dir", str(output_dir), "--seed", str(seed), *flags]
    command = [sys.executable, "-m", "trainer.tune", *own, "--", "--data_dir", str(data_dir), *FLAGS]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "job.yaml"
    path.write_text(yaml.safe_dump(JOB), encoding="utf-8")
    return path


def read(output_dir: Path) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError):
        content: dict[str, Any] = json.loads((output_dir / "trials.json").read_text(encoding="utf-8"))
        return content
    return {"trials": []}


def measured(output_dir: Path) -> Any:
    """What a study has found out, without what was measured of the machine and where it was written."""
    content = read(output_dir)
    for trial in content["trials"]:
        del trial["seconds"]
        trial["message"] = trial["message"].split(";")[0]
    return content


@pytest.fixture(scope="module")
def whole(config: Path, data_dir: Path, seed: int, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A study whose trials ran two at once: its folder, and what it said."""
    folder_ = tmp_path_factory.mktemp("whole") / "out"
    process = start(config, folder_, data_dir, seed, "--threads_per_trial", "1")
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    return folder_, out, err


def test_a_study_tells_of_each_trial(whole: tuple[Path, str, str], seed: int) -> None:
    output_dir, out, err = whole
    trials = read(output_dir)["trials"]
    assert [trial["state"] for trial in trials] == ["completed", "completed", "failed", "stopped"]
    assert {trial["parameters"]["lrate"] for trial in trials[:2]} == {GOOD, BETTER}
    for trial in trials[:2]:
        history = json.loads((output_dir / "trials" / str(trial["trial"]) / "history.json").read_text("utf-8"))
        assert list(trial["measurements"].values()) == history["val_accuracy"]
        assert trial["value"] == max(history["val_accuracy"])
    # The line that says why, and where there is more.
    log = output_dir / "trials" / "3" / "log.txt"
    why = "trial 3/4: failed, exit code 1: the training diverged: loss is (nan|inf) after epoch 1; a smaller --lrate"
    assert re.search(why, err)
    assert f"see {log}" in err
    assert "the training diverged" in log.read_text(encoding="utf-8")
    # Stopped at the epoch that showed it, and really ended: it exported nothing.
    assert "trial 4/4: stopped as hopeless, accuracy" in err
    assert len(trials[3]["measurements"]) < 60
    assert not (output_dir / "trials" / "4" / layout.MODEL_NAME).exists()
    assert not (output_dir / "trials" / "4" / layout.CHECKPOINT_NAME).exists()
    best = max(trials[:2], key=lambda trial: trial["value"])
    assert read(output_dir)["best"] == best["trial"]
    assert f"best: trial {best['trial']}, accuracy {best['value']:.4f}: --lrate={best['parameters']['lrate']}" in out
    rows = [line for line in out.splitlines() if line.startswith("│")]
    assert [row.split("│")[-2].strip() for row in rows] == ["completed", "completed", "stopped", "failed"]
    assert "Traceback" not in err
    with Image.open(output_dir / "parallel_coordinates.png") as picture:
        assert picture.size[0] > 800


def wait_for(process: subprocess.Popen[str], path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_at_a_time_stopped_killed_and_taken_up_again_it_is_the_same_study(
    whole: tuple[Path, str, str], config: Path, data_dir: Path, seed: int, tmp_path: Path
) -> None:
    out_dir = tmp_path / "out"
    flags = ("--parallel_trials", "1", "--threads_per_trial", "1")
    first = start(config, out_dir, data_dir, seed, *flags)
    wait_for(first, out_dir / "trials" / "1" / "metric.jsonl")
    first.send_signal(signal.SIGTERM)
    err = first.communicate(timeout=100)[1]
    assert first.returncode == 143
    assert "error: told to stop after 0 of 4 trials; the same command with --resume goes on" in err
    second = start(config, out_dir, data_dir, seed, *flags, "--resume")
    wait_for(second, out_dir / "trials" / "2" / "metric.jsonl")
    second.send_signal(signal.SIGKILL)
    second.communicate(timeout=100)
    kept = read(out_dir)
    assert [trial["trial"] for trial in kept["trials"]] == [1]
    ended = (out_dir / "trials" / "1" / "log.txt").stat().st_mtime_ns
    # Only when the last of its trials has ended is the folder free for another tuner.
    third = start(config, out_dir, data_dir, seed, *flags, "--resume", "--from_best_trial")
    _, err = third.communicate(timeout=400)
    assert third.returncode == 0, err
    assert "there already: 1 of 4 trials" in err
    assert (out_dir / "trials" / "1" / "log.txt").stat().st_mtime_ns == ended
    assert read(out_dir)["trials"][:1] == kept["trials"]
    assert measured(out_dir) == measured(whole[0])
    best = out_dir / "trials" / str(read(out_dir)["best"])
    for name in ("evaluation.json", "model/variables/variables.data-00000-of-00001"):
        assert (out_dir / "best" / name).read_bytes() == (best / name).read_bytes()
    again = start(config, out_dir, data_dir, seed, *flags, "--resume", "--from_best_trial")
    assert "finished already; --overwrite would train anew" in again.communicate(timeout=100)[1]
