"""Runs that are killed, and what the next one keeps of them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl import run
from etl.errors import run_main

ROOT = Path(__file__).parents[3]
OPTIONS = ["--source", "synthetic", "--num_images", "120", "--shard_mb", "0.3", "--variants", "pixel"]
OPTIONS += ["--image_size", "64", "--seed", "3"]


def digests(output: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.glob("pixel/*.tfrecord")}


def kill_half_way(output: Path, num_shards: int) -> None:
    """Runs the job until that many shards are complete, then kills it."""
    command = [sys.executable, "-m", "etl.run", "--output", str(output), *OPTIONS]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 180
    while len(list(output.glob(".building-*/pixel/*.result.json"))) < num_shards:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("the run ended before it could be killed")
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / "manifest.json").exists()
    assert not digests(output)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("undisturbed")
    assert run_main(run.main, [*OPTIONS, "--output", str(output)]) == 0
    found = digests(output)
    assert len(found) > 4
    return found


def test_a_killed_run_is_no_data_set_and_the_next_makes_the_same(
    tmp_path: Path, undisturbed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    kill_half_way(tmp_path, 1)
    assert run_main(run.main, [*OPTIONS, "--output", str(tmp_path)]) == 0
    assert "--resume would keep them" in capsys.readouterr().err
    assert digests(tmp_path) == undisturbed
    assert not list(tmp_path.glob(".building-*"))


def test_resume_keeps_whole_shards_remakes_damaged_ones_and_ends_the_same(
    tmp_path: Path, undisturbed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    kill_half_way(tmp_path, 3)
    done = sorted(tmp_path.glob(".building-*/pixel/*.result.json"), key=os.path.getmtime)
    shards = [path.with_name(path.name.replace(".result.json", ".tfrecord")) for path in done]
    shards[0].write_bytes(shards[0].read_bytes()[:-1] + b"?")
    done[1].write_bytes(b"[" * 100_000)
    kept = {path: path.stat().st_ino for path in shards[2:]}
    assert run_main(run.main, [*OPTIONS, "--output", str(tmp_path), "--resume"]) == 0
    printed = capsys.readouterr().err
    assert f"left {len(kept)} of {len(undisturbed)} units: kept" in printed
    assert digests(tmp_path) == undisturbed
    assert set(kept.values()) <= {path.stat().st_ino for path in tmp_path.glob("pixel/*")}


def test_another_job_keeps_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kill_half_way(tmp_path, 1)
    other = [*OPTIONS, "--output", str(tmp_path), "--resume", "--resize", "crop"]
    assert run_main(run.main, other) == 0
    assert "an unfinished run" not in capsys.readouterr().err


def test_resume_of_a_run_that_was_complete_changes_nothing(
    tmp_path: Path, undisturbed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--source", "synthetic", "--num_images", "10", "--output", str(tmp_path), "--resume"]
    assert run_main(run.main, small) == 0
    before = (tmp_path / "manifest.json").read_bytes()
    assert run_main(run.main, small) == 0
    assert "complete" in capsys.readouterr().err
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert run_main(run.main, [*small, "--seed", "9"]) == 2
