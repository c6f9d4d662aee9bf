"""Training from an object store, and exporting to one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import DENIED, UNRELIABLE
from tests.trainer.conftest import FLAGS
from trainer import layout

# Not the test's own process: TensorFlow reads the variables that lead it to the emulator once.
TASK = (sys.executable, "-m", "trainer.task", "--variant", "pixel", *FLAGS)


def run_task(*flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environ}
    return subprocess.run([*TASK, *flags], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def remote_data(gcs: Gcs, data_dir: Path) -> str:
    """The data set in the bucket."""
    for path in data_dir.rglob("*"):
        if path.is_file():
            gcs.write(f"data/{path.relative_to(data_dir)}", path.read_bytes())
    return gcs.path("data")


def test_a_bucket_that_fails_now_and_then_gives_the_same_model(
    gcs: Gcs, remote_data: str, run_dir: Path, photo_files: dict[str, list[Path]]
) -> None:
    gcs.configure(faults=UNRELIABLE)
    done = run_task(
        AIP_TRAINING_DATA_URI=remote_data,
        AIP_MODEL_DIR=gcs.path("run/model/"),
        AIP_CHECKPOINT_DIR=gcs.path("checkpoints/"),
        AIP_TENSORBOARD_LOG_DIR=gcs.path("logs/"),
    )
    assert done.returncode == 0, done.stderr
    gcs.configure(faults=())
    assert sum(gcs.counts().faults.values()) > 0
    names = gcs.names()
    assert {f"run/{name}" for name in (*layout.FILES, "model/saved_model.pb") if "colours" not in name} <= set(names)
    assert any(name.startswith("logs/train/events") for name in names)
    # No backup is left, no probe, and nothing half-written.
    assert not [name for name in names if name.startswith("checkpoints/") or ".probe" in name or ".unfinished" in name]
    evaluation = json.loads(gcs.read(f"run/{layout.EVALUATION_NAME}"))
    assert evaluation == json.loads((run_dir / layout.EVALUATION_NAME).read_text())
    asked = [sys.executable, "-m", "trainer.predict", gcs.path("run"), str(photo_files["test"][0]), "--format", "json"]
    answer = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert answer["probability"] > 0
    again = run_task("--data_dir", remote_data, "--output_dir", gcs.path("run"))
    assert again.returncode == 2
    assert again.stderr.strip().endswith("add --overwrite to replace it once the new one is done")


def test_a_run_that_is_told_to_stop_goes_on_from_the_bucket(gcs: Gcs, remote_data: str, run_dir: Path) -> None:
    flags = ["--data_dir", remote_data, "--output_dir", gcs.path("run"), "--backup_steps", "1"]
    with subprocess.Popen([*TASK, *flags], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and f"run/{layout.CHECKPOINT_NAME}/latest.json" not in gcs.names("run/"):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 143, errors
    assert "with --resume goes on from there" in errors
    assert "run/model/saved_model.pb" not in gcs.names()
    done = run_task(*flags, "--resume")
    assert done.returncode == 0, done.stderr
    evaluation = json.loads(gcs.read(f"run/{layout.EVALUATION_NAME}"))
    assert evaluation == json.loads((run_dir / layout.EVALUATION_NAME).read_text())


def test_what_may_not_be_used_is_said_in_one_line(gcs: Gcs, data_dir: Path, tmp_path: Path) -> None:
    cases = [
        (("--data_dir", gcs.path("none"), "--output_dir", str(tmp_path)), 1, "no manifest.json, so no complete data"),
        (("--data_dir", str(data_dir), "--output_dir", "gs://petals-nowhere/run"), 2, "there is no such bucket"),
    ]
    for flags, code, message in cases:
        done = run_task(*flags)
        # TensorFlow is what asks the store.
        loading, error = done.stderr.splitlines()
        assert (done.returncode, loading) == (code, "loading TensorFlow"), done.stderr
        assert message in error
    gcs.configure(faults=DENIED)
    may_not = "the account that this runs as may not"
    for data, target in ((gcs.path("d"), str(tmp_path)), (str(data_dir), gcs.path("o"))):
        done = run_task("--data_dir", data, "--output_dir", target)
        loading, error = done.stderr.splitlines()
        assert (done.returncode, loading) == (2, "loading TensorFlow"), done.stderr
        assert may_not in error
