"""The folder that a run leaves behind: all of it or nothing, the model last.

OUT/model/                the SavedModel; where it is, all else is complete
OUT/history.json          what was measured after each epoch
OUT/training_curves.png   the same to look at
OUT/config.yaml           the resolved configuration, with the data set's fingerprint
OUT/evaluation.json       how the model does on the test split, where there is one
OUT/confusion.png         which classes it takes for which, on that split
OUT/mistakes.png          the images of it that the model is most wrong about
OUT/colours.png           of a model of colours: grey, predicted and true ones beside each other
OUT/model.keras           the model that was trained, for Keras and --init_from
OUT/tensorboard/          event files, with --tensorboard
OUT/backup/               where an unfinished run goes on with --resume; gone when it is finished

Each of the three folders may be said to be elsewhere, and all of it may be on an object store.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ConfigError
from trainer import files

MODEL_NAME = "model"
HISTORY_NAME = "history.json"
CURVES_NAME = "training_curves.png"
CONFIG_NAME = "config.yaml"
EVALUATION_NAME = "evaluation.json"
KERAS_NAME = "model.keras"
TENSORBOARD_NAME = "tensorboard"
BACKUP_NAME = "backup"
CONFUSION_NAME = "confusion.png"
MISTAKES_NAME = "mistakes.png"
COLOURS_NAME = "colours.png"

# All that an evaluation may draw.
PICTURES = (CONFUSION_NAME, MISTAKES_NAME, COLOURS_NAME)

# The file without which a folder is no SavedModel.
SAVED_MODEL_FILE = "saved_model.pb"

FILES = (HISTORY_NAME, CURVES_NAME, CONFIG_NAME, EVALUATION_NAME, *PICTURES, KERAS_NAME)


@dataclass(frozen=True, slots=True)
class Places:
    """Where what a run makes goes; all of them folders, local or on an object store.

    Attributes:
        output_dir: All that has no place of its own.
        model_dir: The exported model.
        checkpoint_dir: Backups.
        log_dir: Event files.
    """

    output_dir: str
    model_dir: str
    checkpoint_dir: str
    log_dir: str

    @classmethod
    def of(
        cls,
        output_dir: str,
        model_dir: str | None = None,
        checkpoint_dir: str | None = None,
        log_dir: str | None = None,
    ) -> Places:
        """Fills in what isn't given: a folder in `output_dir`."""
        return cls(
            output_dir,
            (model_dir or posixpath.join(output_dir, MODEL_NAME)).rstrip("/"),
            (checkpoint_dir or posixpath.join(output_dir, BACKUP_NAME)).rstrip("/"),
            (log_dir or posixpath.join(output_dir, TENSORBOARD_NAME)).rstrip("/"),
        )


def prepare(places: Places, *, overwrite: bool, resume: bool = False) -> None:
    """Makes the folders where there are none, and checks, before any work, that a run may end in them.

    Args:
        places: Where the run is to go.
        overwrite: Whether a model that is there may be replaced, and an unfinished run begun anew.
        resume: Whether an unfinished run goes on.

    Raises:
        ConfigError: there is a model that may not be replaced or an unfinished run, or a folder can't be written, or is
            none.
    """
    for option, folder in (("--output_dir", places.output_dir), ("--model_dir", places.model_dir)):
        if folder == posixpath.join(places.output_dir, MODEL_NAME):
            continue
        # Before anything is asked about it: an object store says of a bucket without permission that nothing is there.
        _try_to_write(option, folder)
    if not overwrite and files.exists(posixpath.join(places.model_dir, SAVED_MODEL_FILE)):
        raise ConfigError(
            "--output_dir",
            places.output_dir,
            f"a folder without a model ({places.model_dir})",
            "add --overwrite to replace it once the new one is done",
        )
    if not (overwrite or resume) and files.exists(places.checkpoint_dir):
        raise ConfigError(
            "--output_dir",
            places.output_dir,
            f"a folder without an unfinished run ({places.checkpoint_dir})",
            "add --resume to go on with it, or --overwrite to begin anew",
        )


@contextmanager
def publishing(places: Places) -> Iterator[Path]:
    """Gives a scratch folder for what a run makes, and moves it into place when the block ends well.

    What an earlier run left is removed first, so that no file of one run lies beside a model of another; the model is
    moved last, and on an object store, where nothing moves whole, the file without which it is none. On an error the
    scratch folder is deleted, and what was there stays.

    Args:
        places: Which `prepare` has seen.

    Yields:
        An empty local folder for `MODEL_NAME` and any of the files named above.
    """
    scratch = Path(tempfile.mkdtemp()) if files.is_remote(places.output_dir) else _make_scratch(places.output_dir)
    try:
        yield scratch
        with files.writing(places.output_dir):
            _publish(scratch, places)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_finished(places: Places) -> bool:
    """Returns whether a run has left its model there."""
    return files.exists(posixpath.join(places.model_dir, SAVED_MODEL_FILE))


def find_model(folder: str) -> str:
    """Returns the SavedModel's folder: this one, or `model` in it.

    Args:
        folder: A SavedModel, or a run's output folder, local or on an object store.

    Raises:
        ConfigError: it is neither.
    """
    for candidate in (folder, posixpath.join(folder, MODEL_NAME)):
        if files.exists(posixpath.join(candidate, SAVED_MODEL_FILE)):
            return candidate
    raise ConfigError("MODEL_DIR", folder, "a SavedModel, or a folder in which trainer.task finished one")


def _try_to_write(option: str, folder: str) -> None:
    """Checks that a folder can be written, and makes a local one.

    Raises:
        ConfigError: it can't.
    """
    expected = "a folder that can be written"
    if files.is_remote(folder):
        probe = posixpath.join(folder, f".probe-{os.urandom(8).hex()}")
        with files.telling(option, folder, expected):
            files.write_bytes(probe, b"")
            files.remove(probe)
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        _make_scratch(folder).rmdir()
    except OSError as error:
        raise ConfigError(option, folder, expected, error.strerror or "") from error


def _publish(scratch: Path, places: Places) -> None:
    if files.exists(places.model_dir):
        _put_aside(places.model_dir, scratch)
    for name in FILES:
        files.remove(posixpath.join(places.output_dir, name))
    for name in FILES:
        if (scratch / name).exists():
            _put(scratch / name, posixpath.join(places.output_dir, name))
    if (scratch / MODEL_NAME).exists():
        _put(scratch / MODEL_NAME, places.model_dir)


def _put_aside(model_dir: str, scratch: Path) -> None:
    """Takes an earlier model away, at once where that can be done."""
    if files.is_remote(model_dir):
        files.remove(posixpath.join(model_dir, SAVED_MODEL_FILE))
        files.remove(model_dir)
    else:
        # On the disk of the scratch folder a move; the model may have a disk of its own.
        shutil.move(model_dir, scratch / "replaced")


def _put(source: Path, target: str) -> None:
    """Puts a file or a folder where nothing is."""
    if files.is_remote(target):
        files.upload(source, target, last=SAVED_MODEL_FILE)
        return
    try:
        os.replace(source, target)
    except OSError:
        # Another disk: a copy beside the target first, so that the target is whole or not there.
        beside = f"{target}.unfinished-{os.urandom(4).hex()}"
        shutil.move(source, beside)
        os.replace(beside, target)


def _make_scratch(folder: str) -> Path:
    """Makes a hidden folder of a name of its own: two runs at once don't write into each other's."""
    return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
