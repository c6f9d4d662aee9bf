"""Commands in processes of their own, which get a signal once they have come to a certain place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 240.0


def start(*arguments: object, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Starts `python -m ARGUMENTS`, in a session of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *options, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What starts the tests may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_until(process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
    """Waits until something has happened; fails the test where the process ends before."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise AssertionError(process.communicate())
        time.sleep(0.01)


def has_begun_to_load(process: subprocess.Popen[str], library: str) -> bool:
    """Tells whether a process has mapped a file of this name."""
    return library in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Waits for the end of a process; returns its exit code and what it printed."""
    with process:
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, err
