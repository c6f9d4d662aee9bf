"""One run at a time holds an output, on an object store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.storage import gcs_versions, locks
from etl.storage.locks import LostLockError
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import Fault

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from etl.storage import locks
with locks.hold(sys.argv[1], "--output", "out"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> str:
    # Longer than a busy machine needs for a renewal.
    monkeypatch.setenv(locks.LEASE_VARIABLE, "6")
    return gcs.path("out/.lock")


def test_a_lease_is_gone_when_its_block_ends_well_or_not(gcs: Gcs, path: str) -> None:
    with locks.hold(path, "--output", "out") as lock:
        lock.check()
        assert gcs.names("out/") == ["out/.lock"]
    with pytest.raises(KeyError, match="x"), locks.hold(path, "--output", "out"):
        raise KeyError("x")
    assert gcs.names("out/") == []


def test_a_run_that_is_alive_is_named_and_one_that_was_killed_is_taken_over(
    path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        message = rf"--output: got 'out', expected .*; process {process.pid} on .* since .* is; wait"
        with pytest.raises(ConfigError, match=message), locks.hold(path, "--output", "out"):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with locks.hold(path, "--output", "out") as lock:
        lock.check()
    printed = capfd.readouterr().err
    assert "waiting for it to end, or to go 6 s without a sign of life" in printed
    assert f"taken over; process {process.pid} on" in printed


def test_a_holder_that_slept_too_long_is_told(path: str) -> None:
    with locks.hold(path, "--output", "out") as lock:
        # As another run does that saw nothing of this one for 6 s.
        found = gcs_versions.read(path)
        assert found is not None
        assert gcs_versions.write(path, b'{"host": "other", "pid": 7, "started": "now"}', found[1])
        with pytest.raises(LostLockError, match=r"no sign of life for 6 s, and process 7 on other since now has taken"):
            check_until_it_fails(lock)
    # What is another run's stays.
    assert gcs_versions.read(path) is not None


def check_until_it_fails(lock: locks.Lock) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lock.check()
        time.sleep(0.1)


def test_a_lease_that_is_deleted_by_hand_is_made_again(path: str) -> None:
    with locks.hold(path, "--output", "out") as lock:
        found = gcs_versions.read(path)
        assert found is not None
        assert gcs_versions.delete(path, found[1])
        deadline = time.monotonic() + 60
        while gcs_versions.read(path) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        lock.check()
    assert gcs_versions.read(path) is None


@pytest.mark.parametrize("kind", ["503", "503_after", "lost"])
def test_answers_that_are_lost_change_nothing(gcs: Gcs, path: str, kind: str) -> None:
    gcs.configure(faults=(Fault(kind, method="POST", limit=2), Fault(kind, method="DELETE", limit=1)))
    with locks.hold(path, "--output", "out") as lock:
        lock.check()
    assert gcs.names("out/") == []


def test_objects_change_only_at_the_generation_that_was_seen(gcs: Gcs) -> None:
    path = gcs.path("thing")
    assert gcs_versions.read(path) is None
    first = gcs_versions.write(path, b"one", 0)
    assert first is not None
    assert gcs_versions.write(path, b"two", 0) is None
    assert not gcs_versions.delete(path, first + 1)
    assert gcs_versions.read(path) == (b"one", first)
    assert gcs_versions.delete(path, first)
    assert gcs_versions.delete(path, first)
