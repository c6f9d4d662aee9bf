"""The commands under test, as processes of their own, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A test that waits longer than this has failed; on a quiet machine none waits a twentieth of it.
PATIENCE_SECONDS = 900.0


class Launch:
    """A run of `etl.run`, going on.

    Args:
        output: The data set's folder.
        arguments: Of the command, but for `--output`.
        log: The file for all that it prints.
    """

    def __init__(self, output: Path, arguments: Sequence[str], log: Path) -> None:
        self.output, self._log = output, log
        command = [sys.executable, "-m", "etl.run", "--output", str(output), *arguments]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=stream, stderr=stream)

    @property
    def printed(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    def wait(self) -> int:
        """Waits for its end; returns its exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    def wait_for_units(self, number: int) -> None:
        """Waits until so many units are done, while it goes on."""

        def is_far() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.printed}")
            return num_done(self.output) >= number

        wait_for(is_far, f"{number} units")

    def kill(self) -> None:
        """Ends it as the system does when memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def environment() -> dict[str, str]:
    """Returns the environment of a process that sees this package only in its folder."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL")}
    # The command's own handling of what TensorFlow prints is under test.
    return kept | {"PYTHONUNBUFFERED": "1"}


def num_done(output: Path) -> int:
    """Returns how many units of an unfinished run are done."""
    return sum(1 for _ in output.glob(".building-*/*/*.result.json"))


def num_planned(output: Path) -> int:
    """Returns how many units an unfinished run has."""
    return sum(1 for _ in output.glob(".building-*/plan/*/*.jsonl"))


def digests(output: Path) -> dict[str, str]:
    """Returns the SHA-256 of every shard that a manifest names."""
    variants = json.loads((output / "manifest.json").read_text())["variants"]
    return {
        f"{name}/{shard['name']}": shard["sha256"]
        for name, variant in variants.items()
        for split in variant["splits"].values()
        for shard in split["shards"]
    }


def wait_for(happened: Callable[[], bool], what: str) -> None:
    """Waits until something has happened; fails the test where it doesn't."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.05)
