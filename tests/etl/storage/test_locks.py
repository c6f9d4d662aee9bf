"""One run at a time holds an output, on a disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.storage import locks
from etl.storage.locks import Holder

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from etl.storage import locks
with locks.hold(sys.argv[1], "--output", "out"):
    print("held", flush=True)
    time.sleep(600)
"""


def hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / locks.LOCK_NAME
    process = hold_elsewhere(path)
    try:
        message = (
            rf"--output: got 'out', expected .* no other run .*; process {process.pid} on .+ since \d{{4}}-.* is; wait"
        )
        with pytest.raises(ConfigError, match=message), locks.hold(str(path), "--output", "out"):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with locks.hold(str(path), "--output", "out") as lock:
        assert json.loads(path.read_text())["pid"] == os.getpid()
        assert lock.fileno() >= 0
        lock.check()
    assert not path.parent.exists() or not list(path.parent.iterdir())


def test_a_run_that_waits_goes_on_when_the_other_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / locks.LOCK_NAME
    process = hold_elsewhere(path)
    timer = threading.Timer(0.5, process.kill)
    timer.start()
    with locks.hold(str(path), "--output", "out", wait_seconds=60):
        process.wait()
    timer.join()
    assert f"process {process.pid} on" in capfd.readouterr().err


def test_folders_made_for_a_lock_go_with_it_and_others_stay(tmp_path: Path) -> None:
    with locks.hold(str(tmp_path / "a" / "b" / ".lock"), "--output", "out"):
        pass
    assert list(tmp_path.iterdir()) == []
    with locks.hold(str(tmp_path / "a" / "b" / ".lock"), "--output", "out"):
        (tmp_path / "a" / "kept").write_text("")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["kept"]


def test_threads_hold_it_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with locks.hold(str(tmp_path / "out" / ".lock"), "--output", "out", wait_seconds=60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 20
    assert max(most) == 1


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="--output: got 'out', expected a folder that can be written"),
        locks.hold(str(tmp_path / "file" / ".lock"), "--output", "out"),
    ):
        pass


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5) | st.just({"pid": "x"})
)
def test_a_lock_that_holds_anything_names_a_holder(content: object) -> None:
    assert str(Holder.from_json(content)) == "an unknown process"


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "soon"])
def test_seconds_of_a_lease_are_above_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(locks.LEASE_VARIABLE, text)
    with pytest.raises(ConfigError, match=rf"{locks.LEASE_VARIABLE}: .*expected a number of seconds above 0"):
        locks.lease_seconds()
