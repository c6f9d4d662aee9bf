"""Two runs at one output, killed at random: what the tests of the ETL, the trainer and the tuner share."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Longer than any of the runs takes on a busy machine.
LIMIT_SECONDS = 900
# One round in every run of the tests, all with `make test-full`.
ROUNDS = [pytest.param(number, marks=[pytest.mark.full] if number else []) for number in range(20)]


def start(arguments: Sequence[str], cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Starts a command of ours, in a process group of its own."""
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_ENABLE_ONEDNN_OPTS": "0"}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def fight(
    commands: Sequence[Sequence[str]], seed: int, seconds: float, is_critical: Callable[[], bool]
) -> list[tuple[int, str]]:
    """Runs commands at once and kills some of them.

    Args:
        commands: The commands' arguments.
        seed: Of the moments; one in three is that at which `is_critical` says so first.
        seconds: The latest moment of a kill.
        is_critical: Whether an output is being put in place just now.

    Returns:
        Each command's exit code, -9 where it was killed, and what it said.
    """
    draw = random.Random(seed)
    runs = []
    for arguments in commands:
        runs.append(start(arguments))
        time.sleep(draw.choice([0.0, 0.3, seconds / 2]))
    began = time.monotonic()
    moments = {run: draw.uniform(0, seconds) for run in runs if draw.random() < 0.7}
    waits = {run for run in moments if draw.random() < 0.4}
    while any(run.poll() is None for run in runs):
        passed = time.monotonic() - began
        if passed > LIMIT_SECONDS:
            moments, waits = dict.fromkeys(runs, 0.0), set()
        is_now = bool(waits) and is_critical()
        for run, moment in moments.items():
            if run.poll() is None and (is_now if run in waits else passed > moment):
                run.send_signal(signal.SIGKILL)
        time.sleep(0.001 if waits else 0.02)
    assert time.monotonic() - began < LIMIT_SECONDS, "a run is stuck"
    return [(run.wait(), run.communicate()[0]) for run in runs]


def check_said(ends: Sequence[tuple[int, str]]) -> None:
    """Checks that every run ended well, was killed, or gave one line."""
    for code, said in ends:
        assert "Traceback" not in said, said
        assert code in (0, 1, 2, -signal.SIGKILL), said
        if code in (1, 2):
            assert sum(line.startswith("error: ") for line in said.splitlines()) == 1, said
