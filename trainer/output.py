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
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.errors import ConfigError

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
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def prepare(output_dir: str, *, overwrite: bool, resume: bool = False) -> None:
    """Makes the folder where there is none, and checks, before any work, that a run may end in it.

    Args:
        output_dir: A local folder.
        overwrite: Whether a model that is there may be replaced, and an unfinished run begun anew.
        resume: Whether an unfinished run goes on.

    Raises:
        ConfigError: the folder holds a model that may not be replaced or an unfinished run, can't be written, or is
            none.
    """
    if _SCHEME.match(output_dir):
        raise ConfigError("--output_dir", output_dir, "a local folder")
    if not overwrite and os.path.lexists(Path(output_dir, MODEL_NAME)):
        raise ConfigError(
            "--output_dir",
            output_dir,
            "a folder without a model",
            "add --overwrite to replace it once the new one is done",
        )
    if not (overwrite or resume) and os.path.lexists(Path(output_dir, BACKUP_NAME)):
        raise ConfigError(
            "--output_dir",
            output_dir,
            "a folder without an unfinished run",
            "add --resume to go on with it, or --overwrite to begin anew",
        )
    try:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        _make_scratch(output_dir).rmdir()
    except OSError as error:
        raise ConfigError("--output_dir", output_dir, "a folder that can be written", error.strerror or "") from error


@contextmanager
def publishing(output_dir: str) -> Iterator[Path]:
    """Gives a scratch folder for what a run makes, and moves it into place when the block ends well.

    What an earlier run left is removed first, so that no file of one run lies beside a model of another; the model is
    moved last. On an error the scratch folder is deleted, and what was there stays.

    Args:
        output_dir: A folder that `prepare` has seen.

    Yields:
        An empty folder on the same disk, for `MODEL_NAME` and any of the files named above.
    """
    scratch = _make_scratch(output_dir)
    try:
        yield scratch
        old, new = Path(output_dir), scratch
        if os.path.lexists(old / MODEL_NAME):
            os.replace(old / MODEL_NAME, scratch / "replaced")
        for name in FILES:
            (old / name).unlink(missing_ok=True)
        for name in (*FILES, MODEL_NAME):
            if (new / name).exists():
                os.replace(new / name, old / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_finished(output_dir: str) -> bool:
    """Returns whether a run has left its model there."""
    return Path(output_dir, MODEL_NAME, SAVED_MODEL_FILE).is_file()


def find_model(folder: str) -> Path:
    """Returns the SavedModel's folder: this one, or `model` in it.

    Args:
        folder: A SavedModel, or a run's output folder.

    Raises:
        ConfigError: it is neither.
    """
    for candidate in (Path(folder), Path(folder, MODEL_NAME)):
        if (candidate / SAVED_MODEL_FILE).is_file():
            return candidate
    raise ConfigError("MODEL_DIR", folder, "a SavedModel, or a folder in which trainer.task finished one")


def _make_scratch(output_dir: str) -> Path:
    """Makes a hidden folder of a name of its own: two runs at once don't write into each other's."""
    return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=output_dir))
