"""A trial's process, seen from the tuner."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer import environment
from trainer.ingest.plan import num_cores

LOG_NAME = "log.txt"
METRIC_NAME = "metric.jsonl"

# In which a trial that is told to stop ends its step and writes a checkpoint; then it is killed.
_GRACE_SECONDS = 30.0

# What would lead all trials into one folder, or make one of them a worker of something else.
_NOT_INHERITED = (
    environment.MODEL_DIR,
    environment.CHECKPOINT_DIR,
    environment.LOG_DIR,
    environment.TF_CONFIG,
    environment.CLUSTER_SPEC,
    environment.METRIC_FILE,
    environment.TRIAL,
)


def share_cores(num_threads: int) -> list[str]:
    """Divides this process's cores, so that trials at once have cores of their own.

    Returns:
        For each share what `trainer.tune.trial` takes, `-` for all cores.
    """
    if not hasattr(os, "sched_getaffinity") or num_threads >= num_cores():
        return ["-"]
    cores = sorted(os.sched_getaffinity(0))
    starts = range(0, len(cores) - num_threads + 1, num_threads)
    return [",".join(str(core) for core in cores[start : start + num_threads]) for start in starts]


class Process:
    """One trial that runs, or the training after them.

    Args:
        arguments: Of `trainer.task`.
        cores: One of `share_cores`.
        trial: Its number; None for no trial, whose output goes where the tuner's goes.
        folder: Where its log and its metric file are.
        lock: A file descriptor that it keeps open, and thereby locked.
    """

    def __init__(self, arguments: Sequence[str], cores: str, trial: int | None, folder: Path, lock: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.cores = cores
        self.log, self.metric_file = folder / LOG_NAME, folder / METRIC_NAME
        self._started = time.monotonic()
        self._kill_at: float | None = None
        command = [sys.executable, "-m", "trainer.tune.trial", cores, *arguments]
        # Behind what an earlier attempt said.
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with contextlib.ExitStack() as stack:
            log = None if trial is None else stack.enter_context(open(self.log, "ab"))
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=inherit({} if trial is None else self._variables(trial)),
                pass_fds=(lock,),
                # A key pressed to stop the tuner is no business of its trials: it stops them itself.
                start_new_session=True,
            )

    def _variables(self, trial: int) -> dict[str, str]:
        return {environment.METRIC_FILE: str(self.metric_file.resolve()), environment.TRIAL: str(trial)}

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._started

    def poll(self) -> int | None:
        """Returns its exit code, None while it runs; kills it if it was told to stop and doesn't."""
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._process.kill()
        code = self._process.poll()
        if code is not None:
            self.close_pipe()
        return code

    def close_pipe(self) -> None:
        """Closes the pipe to it, upon which it stops of itself, as it does when the tuner has gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Tells it to stop; the first call counts."""
        if self._kill_at is None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._kill_at = time.monotonic() + _GRACE_SECONDS

    def wait(self) -> int:
        """Waits for its end; returns its exit code."""
        while (code := self.poll()) is None:
            time.sleep(0.05)
        return code

    def explain_failure(self, code: int) -> str:
        """Returns in one line why it failed: what it said last, and where the rest is.

        Args:
            code: Its exit code, negative for a signal.
        """
        text = self.log.read_bytes()[self._log_start :].decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if line.startswith("error: ")), lines[-1] if lines else "")
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{how}: {said.removeprefix('error: ').strip() or 'it said nothing'}; see {self.log}"


def inherit(own: Mapping[str, str]) -> dict[str, str]:
    """Returns a trial's variables: the tuner's, without what is said to the tuner alone, and those of its own."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | dict(own)
