"""The commands of `python -m trainer.vertex`; a command's module is imported when it is called, and no other."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        module: Holds `add_arguments(parser)` and `run(arguments)`, which returns an exit code.
        summary: What it does, in one line.
        takes_trainer_args: Whether flags of trainer.task may follow a bare `--`; they are `arguments.trainer_args`.
    """

    module: str
    summary: str
    takes_trainer_args: bool = False

    def load(self) -> ModuleType:
        """Imports the command's module."""
        return importlib.import_module(self.module)


COMMANDS: Mapping[str, Command] = {
    "package": Command("trainer.vertex.training.package", "build the trainer's source distribution, and check it"),
    "train": Command("trainer.vertex.training.jobs", "run a training job", takes_trainer_args=True),
    "tune": Command("trainer.vertex.training.tuning", "run a hyperparameter tuning job", takes_trainer_args=True),
    "deploy": Command("trainer.vertex.deployment.command", "upload a model and deploy it to an endpoint"),
    "predict": Command("trainer.vertex.prediction.online", "ask an endpoint about photographs"),
    "batch-predict": Command("trainer.vertex.prediction.batch", "ask a model about the photographs of a file"),
    "retrain": Command(
        "trainer.vertex.retraining.command", "train, evaluate, and deploy what is not worse", takes_trainer_args=True
    ),
    "dataset": Command("trainer.vertex.data.datasets", "find or create a managed image data set, and import into it"),
    "tensorboard": Command("trainer.vertex.training.tensorboard", "find or create a TensorBoard instance"),
    "status": Command("trainer.vertex.training.status", "show one job, with its state, error and times"),
    "list": Command("trainer.vertex.listing", "list jobs, models, endpoints or data sets"),
}
