"""The folder that a run leaves behind: all of it or nothing, the model last.

OUT/model/                the SavedModel; where it is, all else is complete
OUT/history.json          what was measured after each epoch
OUT/training_curves.png   the same to look at
OUT/config.yaml           the resolved configuration, with the data set's fingerprint
OUT/evaluation.json       how the model does on the test split, where there is one
OUT/confusion.png         which classes it takes for which, on that split
OUT/test_predictions.jsonl  of each example of it: its key, label, predicted class and that one's probability
OUT/mistakes.png          the images of it that the model is most wrong about
OUT/colours.png           of a model of colours: grey, predicted and true ones beside each other
OUT/model.keras           the model that was trained, for Keras and --init_from
OUT/training_state.npz    where --resume goes on with more epochs, or makes what is missing
OUT/tensorboard/          event files, with --tensorboard
OUT/backup/               where an unfinished run goes on with --resume; gone when it is finished

Each of the three folders may be said to be elsewhere, and all of it may be on an object store.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from etl.errors import ConfigError
from trainer import files

MODEL_NAME = "model"


HISTORY_NAME = "history.json"


CURVES_NAME = "training_curves.png"


CONFIG_NAME = "config.yaml"


EVALUATION_NAME = "evaluation.json"


KERAS_NAME = "model.keras"


TENSORBOARD_NAME = "tensorboard"


CHECKPOINT_NAME = "backup"


CONFUSION_NAME = "confusion.png"


MISTAKES_NAME = "mistakes.png"


COLOURS_NAME = "colours.png"


PREDICTIONS_NAME = "test_predictions.jsonl"


STATE_NAME = "training_state.npz"


# All that an evaluation may draw.
PICTURES = (CONFUSION_NAME, MISTAKES_NAME, COLOURS_NAME)


# The file without which a folder is no SavedModel.
SAVED_MODEL_FILE = "saved_model.pb"


FILES = (HISTORY_NAME, CURVES_NAME, CONFIG_NAME, EVALUATION_NAME, PREDICTIONS_NAME, *PICTURES, KERAS_NAME, STATE_NAME)


@dataclass(frozen=True, slots=True)
class RunFolders:
    """Where what a run makes goes; all of them folders, local or on an object store.

    Attributes:
        output_dir: All that has no place of its own.
        model_dir: The exported model.
        checkpoint_dir: Checkpoints.
        log_dir: Event files.
    """

    output_dir: str
    model_dir: str
    checkpoint_dir: str
    log_dir: str

    @property
    def locked_folders(self) -> dict[str, str]:
        """The folders that a run writes to and no other may, by the option that names them; none in another of them."""
        default = {posixpath.join(self.output_dir, name) for name in (MODEL_NAME, CHECKPOINT_NAME)}
        all_folders = {
            "--output_dir": self.output_dir,
            "--model_dir": self.model_dir,
            "--checkpoint_dir": self.checkpoint_dir,
        }
        return {option: folder for option, folder in all_folders.items() if folder not in default}

    @classmethod
    def resolve(
        cls,
        output_dir: str,
        model_dir: str | None = None,
        checkpoint_dir: str | None = None,
        log_dir: str | None = None,
    ) -> RunFolders:
        """Fills in what isn't given: a folder in `output_dir`."""
        return cls(
            output_dir,
            (model_dir or posixpath.join(output_dir, MODEL_NAME)).rstrip("/"),
            (checkpoint_dir or posixpath.join(output_dir, CHECKPOINT_NAME)).rstrip("/"),
            (log_dir or posixpath.join(output_dir, TENSORBOARD_NAME)).rstrip("/"),
        )


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
