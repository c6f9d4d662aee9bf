"""Workers elsewhere: how far they are, as the run's folder tells, and what they say of files that they don't see."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl import progress
from etl.errors import DatasetError
from etl.records import Unit
from etl.runners import tied, transforms
from etl.work import workers


def unit(part: int, num_images: int) -> Unit:
    return Unit("jpeg", "train", 3, part, "plan", num_images)


def finish(building_dir: Path, part: int, attempt: str) -> None:
    path = building_dir / "jpeg" / f"train-00003-{part:05d}.{attempt}.result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


def test_units_are_reported_once_whatever_was_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    building_dir = tmp_path / ".building-1"
    kept = dataclasses.replace(unit(2, 1000), done_path="there")
    with progress.step("write", 70), workers.follow(str(building_dir), [unit(0, 40), unit(1, 30), kept]):
        finish(building_dir, 0, "a")
        finish(building_dir, 0, "b")
        finish(building_dir, 2, "c")
    assert "write: 40 of 70 images" in capsys.readouterr().err


def test_progress_shows_while_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LOCAL_SECONDS", 0.01)
    seen: list[int] = []
    monkeypatch.setattr(progress, "advance", seen.append)
    with workers.follow(str(tmp_path), [unit(0, 40)]):
        finish(tmp_path, 0, "a")
        while sum(seen) < 40:
            time.sleep(0.01)
    assert sum(seen) == 40


def test_a_missing_file_says_what_workers_need() -> None:
    with (
        pytest.raises(DatasetError, match="/there/plan.jsonl: a worker finds no such file; .* that all workers share"),
        transforms.shared_files(),
    ):
        raise FileNotFoundError(2, "No such file or directory", "/there/plan.jsonl")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_a_tied_program_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, {tied.__file__!r}, '/bin/sleep', '600']); "
        f"open({str(started)!r}, 'w').write(f'{{child.pid}}\\n'); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    while not (started.exists() and started.read_text().endswith("\n")):
        time.sleep(0.01)
    status = Path(f"/proc/{started.read_text().strip()}/stat")
    # Until it has become the other program it isn't tied yet.
    while "(sleep)" not in status.read_text():
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 60
    # Nobody may be there to bury it.
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)
