"""The trainer's configuration: frozen, and checked where it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from etl.errors import ConfigError
from trainer import models

# What decides which epoch's weights are kept, and whether more of it is better.
MONITORS: Mapping[str, bool] = MappingProxyType({"accuracy": True, "loss": False})

# Those of `etl.images.graph`, which can't be imported without TensorFlow.
RESIZES = ("pad", "crop", "stretch")

LRATE_DECAYS = ("cosine", "none")

# TensorFlow takes seeds of 32 bits.
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run of the trainer.

    Attributes:
        data_dir: Folder of a data set, with its manifest.
        output_dir: Folder for what the run makes.
        model: A key of `trainer.models.MODELS`.
        variant: Of the data set; None where it has only one.
        image_size: (height, width) that the model takes; None for the size that the data set is stored in.
        resize: How an image is brought to `image_size`, one of `RESIZES`; None for the data set's own way, else `pad`.
        random_crop: Whether training sees a random window of each image in place of the whole.
        num_epochs: Passes over the training split, 1 or more.
        batch_size: Images a step, 1 or more; the last batch of an epoch may be smaller.
        lrate: Adam's learning rate at the start, above 0; None for the model's own.
        lrate_decay: What becomes of it, one of `LRATE_DECAYS`: `cosine`, to 0 at the last step, or `none`.
        monitor: What says which epoch was the best, on the validation split: a key of `MONITORS`.
        patience: Epochs without a better one after which training stops; None to train all of them.
        seed: Of the first weights, the order of the images and all else that is drawn.
        hyperparameters: Of the model; those not given have the defaults of `MODELS`.

    Raises:
        ConfigError: a value out of range.
    """

    data_dir: str
    output_dir: str
    model: str = "cnn"
    variant: str | None = None
    image_size: tuple[int, int] | None = None
    resize: str | None = None
    random_crop: bool = False
    num_epochs: int = 10
    batch_size: int = 32
    lrate: float | None = None
    lrate_decay: str = "cosine"
    monitor: str = "accuracy"
    patience: int | None = None
    seed: int = 0
    hyperparameters: Mapping[str, int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("--num_epochs", self.num_epochs, self.num_epochs >= 1, "a whole number of epochs, 1 or more")
        _check("--batch_size", self.batch_size, self.batch_size >= 1, "a whole number of images, 1 or more")
        _check("--lrate_decay", self.lrate_decay, self.lrate_decay in LRATE_DECAYS, f"one of {', '.join(LRATE_DECAYS)}")
        _check("--resize", self.resize, self.resize in (*RESIZES, None), f"one of {', '.join(RESIZES)}")
        _check("--seed", self.seed, 0 <= self.seed <= _MAX_SEED, f"a whole number from 0 to {_MAX_SEED}")
        _check("--monitor", self.monitor, self.monitor in MONITORS, f"one of {', '.join(MONITORS)}")
        enough = self.patience is None or self.patience >= 1
        _check("--patience", self.patience, enough, "a whole number of epochs, 1 or more")
        # Frozen: the only way to set a field. The model's own defaults belong in what is written down.
        object.__setattr__(self, "hyperparameters", models.resolve(self.model, self.hyperparameters))
        finite = 0 < self.learning_rate < math.inf
        _check("--lrate", self.lrate, finite, "a learning rate above 0, such as 0.001")

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate at the start: the one given, or the model's own."""
        return models.find(self.model).lrate if self.lrate is None else self.lrate

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as flags and their values, those left open (None) not among them."""
        flags: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "hyperparameters"}
        if self.image_size is not None:
            flags["image_size"] = f"{self.image_size[0]}x{self.image_size[1]}"
        flags |= {"lrate": self.learning_rate, **self.hyperparameters}
        return {name: value for name, value in flags.items() if value is not None}


def _check(option: str, got: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(option, got, expected)
