"""A trial's process: what it is given, how it ends, and what is said of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.tune.process import Process, inherit, share_cores


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_what_the_trainer_refuses_is_told_in_one_line_with_the_log(tmp_path: Path, lock: int) -> None:
    arguments = ["--data_dir=nowhere", f"--output_dir={tmp_path / 'out'}"]
    for _ in range(2):
        process = Process(arguments, share_cores(1)[0], 3, tmp_path / "trial", lock)
        code = process.wait()
        assert code == 2
        assert process.explain_failure(code) == (
            "exit code 2: --data_dir: got 'nowhere', expected the folder of a data set, which python -m etl.run "
            f"writes; see {tmp_path / 'trial' / 'log.txt'}"
        )
        # Of the first attempt's log nothing is lost, and nothing is taken for the second one's.
        (tmp_path / "trial" / "log.txt").open("a").write("error: of before\n")
    assert (tmp_path / "trial" / "log.txt").read_text(encoding="utf-8").count("got 'nowhere'") == 2


def test_told_to_stop_before_it_has_begun_it_ends_by_the_signal(tmp_path: Path, lock: int) -> None:
    process = Process(["--help"], "-", 1, tmp_path, lock)
    process.stop()
    assert process.wait() == -15
    assert process.explain_failure(-15) == f"ended by SIGTERM: it said nothing; see {tmp_path / 'log.txt'}"
    process.stop()
    assert process.poll() == -15


def test_a_trial_ends_with_its_tuner(tmp_path: Path, lock: int, data_dir: Path) -> None:
    arguments = [f"--data_dir={data_dir}", "--variant=pixel", "--model=linear", f"--output_dir={tmp_path / 'out'}"]
    process = Process([*arguments, "--num_epochs=100000"], "-", 1, tmp_path / "trial", lock)
    deadline = time.monotonic() + 120
    while not (tmp_path / "out").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # What the system does with the pipe of a tuner that was killed.
    process.close_pipe()
    assert process.wait() in (143, -15)


def test_a_trial_is_not_led_into_the_tuners_own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR", "TF_CONFIG", "CLOUD_ML_TRIAL_ID"):
        monkeypatch.setenv(name, "the tuner's")
    monkeypatch.setenv("AIP_DATA_FORMAT", "jsonl")
    made = inherit({"CLOUD_ML_TRIAL_ID": "3"})
    assert "the tuner's" not in made.values()
    assert (made["CLOUD_ML_TRIAL_ID"], made["AIP_DATA_FORMAT"]) == ("3", "jsonl")


def test_trials_at_once_have_cores_of_their_own() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no processor affinity on this system")
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    assert share_cores(len(cores)) == ["-"]
    assert share_cores(1) == (cores if len(cores) > 1 else ["-"])
