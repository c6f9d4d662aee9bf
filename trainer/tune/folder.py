"""The folder that a study leaves behind.

DIR/trials.json                    all trials: parameters, metrics epoch by epoch, how they ended
DIR/parallel_coordinates.png       the same to look at
DIR/trials/<number>/               what `trainer.task` makes, with the trial's log.txt and metric.jsonl
DIR/best/                          the same of the training after them, with --from_best_trial
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.cli import note
from etl.errors import ConfigError
from etl.storage import locks
from trainer.tune import results

TRIALS_NAME = "trials"
PLOT_NAME = "parallel_coordinates.png"
BEST_NAME = "best"
# In BEST_NAME: which trial that is.
BEST_TRIAL_NAME = "trial.json"
# An earlier study, while the one that replaces it isn't complete.
_REPLACED_NAME = ".replaced"
_NAMES = (results.FILE_NAME, PLOT_NAME, TRIALS_NAME, BEST_NAME)

# In which the trials of a tuner that was killed have ended as well.
_WAIT_SECONDS = 60.0


@contextmanager
def locked(output_dir: Path, *, resume: bool = False) -> Iterator[int]:
    """Makes the folder where there is none, and keeps other tuners out of it.

    The lock goes with the file descriptor that is yielded, which trials inherit: it ends with the last of them. So a
    tuner waits for trials of another one that was killed.

    Args:
        output_dir: The study's folder.
        resume: Whether to wait for as long as another tuner runs.

    Raises:
        ConfigError: the folder can't be written, or another tuner is at work in it.
    """
    wait_seconds = math.inf if resume else _WAIT_SECONDS
    path = output_dir / locks.LOCK_NAME
    with locks.hold(str(path), "--output_dir", str(output_dir), wait_seconds=wait_seconds) as lock:
        yield lock.fileno()


def prepare(output_dir: Path, *, resume: bool, overwrite: bool) -> None:
    """Checks that a study may begin or go on in the folder; with `overwrite` puts aside what an earlier one left.

    That is kept until the new study is complete, see `finish`. An incomplete study that is overwritten is deleted.

    Raises:
        ConfigError: there is a study, and neither `resume` nor `overwrite`.
    """
    there = [name for name in _NAMES if (output_dir / name).exists()]
    if overwrite:
        aside = output_dir / _REPLACED_NAME
        # Where there is one, an earlier study was to be replaced by the one that is there, which isn't complete.
        if not aside.exists() and (output_dir / results.FILE_NAME).exists():
            aside.mkdir()
            for name in there:
                (output_dir / name).rename(aside / name)
            note(f"{aside} holds the earlier study until this one is complete")
            return
        for name in there:
            remove(output_dir / name)
    elif not resume and any(name in there for name in (TRIALS_NAME, results.FILE_NAME)):
        raise ConfigError(
            "--output_dir",
            str(output_dir),
            "a folder without a study",
            "add --resume to go on with it, or --overwrite to begin anew",
        )


def finish(output_dir: Path) -> None:
    """Deletes an earlier study that a complete one replaces."""
    remove(output_dir / _REPLACED_NAME)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
