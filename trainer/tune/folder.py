"""The folder that a study leaves behind.

DIR/trials.json                    all trials: parameters, metrics epoch by epoch, how they ended
DIR/parallel_coordinates.png       the same to look at
DIR/trials/<number>/               what `trainer.task` makes, with the trial's log.txt and metric.jsonl
DIR/best/                          the same of the training after them, with --from_best_trial
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.cli import note
from etl.errors import ConfigError
from trainer.tune import results

TRIALS_NAME = "trials"
PLOT_NAME = "parallel_coordinates.png"
BEST_NAME = "best"
# In BEST_NAME: which trial that is.
BEST_TRIAL_NAME = "trial.json"
_LOCK_NAME = ".lock"

# In which the trials of a tuner that was killed have ended as well.
_WAIT_SECONDS = 60.0


@contextmanager
def locked(output_dir: Path) -> Iterator[int]:
    """Makes the folder where there is none, and keeps other tuners out of it.

    The lock goes with the file descriptor that is yielded, which trials inherit: it ends with the last of them.

    Raises:
        ConfigError: the folder can't be written, or another tuner is at work in it.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(output_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(
            "--output_dir", str(output_dir), "a local folder that can be written", error.strerror or ""
        ) from error
    try:
        _lock(descriptor, output_dir)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, output_dir: Path) -> None:
    deadline: float | None = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if deadline is None:
                deadline = time.monotonic() + _WAIT_SECONDS
                note(f"{output_dir}: in use; waiting for trials of another tuner to end")
            if time.monotonic() > deadline:
                raise ConfigError(
                    "--output_dir", str(output_dir), "a folder in which no other tuner is at work"
                ) from None
            time.sleep(0.2)


def prepare(output_dir: Path, *, resume: bool, overwrite: bool) -> None:
    """Checks that a study may begin or go on in the folder; with `overwrite` empties it of what a study leaves.

    Raises:
        ConfigError: there is a study, and neither `resume` nor `overwrite`.
    """
    names = (TRIALS_NAME, results.FILE_NAME)
    if overwrite:
        (output_dir / results.FILE_NAME).unlink(missing_ok=True)
        (output_dir / PLOT_NAME).unlink(missing_ok=True)
        for name in (TRIALS_NAME, BEST_NAME):
            shutil.rmtree(output_dir / name, ignore_errors=True)
    elif not resume and any((output_dir / name).exists() for name in names):
        raise ConfigError(
            "--output_dir",
            str(output_dir),
            "a folder without a study",
            "add --resume to go on with it, or --overwrite to begin anew",
        )


def remove(path: Path) -> None:
    """Removes a folder, if it is there."""
    shutil.rmtree(path, ignore_errors=True)
