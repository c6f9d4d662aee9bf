"""The trainer's configuration: frozen, and checked where it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from etl.errors import ConfigError
from trainer import models
from trainer.ingest import config as ingest_config
from trainer.layout import RunFolders
from trainer.models import METRICS, Value

# What decides which epoch's weights are kept, and whether more of it is better.
MONITORS: Mapping[str, bool] = MappingProxyType({"accuracy": True, "loss": False})

# Those of `etl.images.graph.decoding`, which can't be imported without TensorFlow.
RESIZES = ("pad", "crop", "stretch")

# What a run is spread over: `trainer.training.strategy`.
DISTRIBUTIONS = ("auto", "cpu", "gpus_one_machine", "gpus_multiple_machines", "tpu")

LRATE_DECAYS = ("cosine", "none")

# What the exported model may take by default.
SERVING_INPUTS = ("image_bytes", "filenames", "pixels")

# Which files its graph takes: those that TensorFlow decodes, or with tensorflow-io also plain AVIF, TIFF and JPEG 2000.
SERVING_FORMATS = ("standard", "extra")

# None is replaced by what the model's entry says before anyone sees it.
_MODELS_OWN: Any = None

# TensorFlow takes seeds of 32 bits.
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run of the trainer.

    Attributes:
        data_dir: Folder of a data set, with its manifest; or the JSON lines of a managed one, see
            `trainer.ingest.managed`.
        output_dir: Folder for what the run makes; like the three below local, or on an object store.
        model_dir: For the exported model; None for `model` in `output_dir`.
        checkpoint_dir: For the checkpoints of a run that isn't finished; None for `backup` in `output_dir`.
        log_dir: For TensorBoard's event files, which are written where this is given; None for `tensorboard` in
            `output_dir`.
        model: A key of `trainer.models.MODELS`.
        variant: Of the data set; None where it has only one.
        image_size: (height, width) that the model takes; None for the size that the data set is stored in.
        resize: How an image is brought to `image_size`, one of `RESIZES`; None for the data set's own way, else `pad`.
        random_crop: Whether training sees a random window of each image in place of the whole.
        pattern: Which shards to train on, as `IngestConfig.pattern`; None for all.
        num_epochs: Passes over the training split, or virtual epochs, 1 or more; None for the model's own number.
        num_training_examples: Examples of a virtual epoch: the split is repeated, and an epoch ends after so many,
            rounded up to whole batches. None for the split as it is.
        batch_size: Images a step, of all workers and devices together; None for the model's own. An epoch's last batch
            may be smaller.
        lrate: Adam's learning rate at the start, above 0; None for the model's own.
        lrate_decay: What becomes of it, one of `LRATE_DECAYS`: `cosine`, to 0 at the last step, or `none`; None for the
            model's own.
        monitor: What says which epoch was the best, on the validation split: a key of `MONITORS`; None for the
            accuracy, or for the loss where there is no accuracy.
        patience: Epochs without a better one after which training stops; None to train all of them.
        seed: Of the first weights, the order of the images and all else that is drawn.
        init_from: A model to go on from: a run's output folder, or a `.keras` file; None for fresh weights.
        distribute: What to run on, one of `trainer.training.DISTRIBUTIONS`.
        share: How several workers divide an epoch, as `IngestConfig.share`.
        data_service: The dispatcher of a tf.data service that makes the training batches, `host:port`; None to make
            them here.
        steps_per_execution: Steps that run without coming back to Python, 1 or more.
        backup_steps: Steps between two checkpoints; None for one at each epoch's end.
        serving_input: What the exported model's `serving_default` takes, one of `SERVING_INPUTS`.
        serving_formats: Which image files the exported graph takes, one of `SERVING_FORMATS`.
        tensorboard: Whether to write event files for TensorBoard.
        profile_steps: First and last step to profile for it; None for none.
        hyperparameters: Of the model; those not given have the defaults of `MODELS`.

    Raises:
        ConfigError: a value out of range.
    """

    data_dir: str
    output_dir: str
    model_dir: str | None = None
    checkpoint_dir: str | None = None
    log_dir: str | None = None
    model: str = "cnn"
    variant: str | None = None
    image_size: tuple[int, int] | None = None
    resize: str | None = None
    random_crop: bool = False
    pattern: str | None = None
    num_epochs: int = _MODELS_OWN
    num_training_examples: int | None = None
    batch_size: int = _MODELS_OWN
    lrate: float = _MODELS_OWN
    lrate_decay: str = _MODELS_OWN
    monitor: str = _MODELS_OWN
    patience: int | None = None
    seed: int = 0
    init_from: str | None = None
    distribute: str = "auto"
    share: str = "range"
    data_service: str | None = None
    steps_per_execution: int = 1
    backup_steps: int | None = None
    serving_input: str = "image_bytes"
    serving_formats: str = "standard"
    tensorboard: bool = False
    profile_steps: tuple[int, int] | None = None
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spec = models.find(self.model)
        # Frozen: the only way to set a field. The model's own defaults belong in what is written down.
        for name in ("num_epochs", "batch_size", "lrate_decay", "lrate"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(spec, name))
        object.__setattr__(self, "tensorboard", self.tensorboard or self.log_dir is not None)
        object.__setattr__(self, "monitor", self.monitor or METRICS[spec.gives][-1])
        for name, what in _COUNTS.items():
            value = getattr(self, name)
            _check(f"--{name}", value, value is None or value >= 1, f"a whole number of {what}, 1 or more")
        for name, choices in _CHOICES.items():
            _check(f"--{name}", getattr(self, name), getattr(self, name) in choices, f"one of {_join(choices)}")
        measured = tuple(metric for metric in MONITORS if metric in METRICS[spec.gives])
        _check("--monitor", self.monitor, self.monitor in measured, f"one of {_join(measured)}, with {self.model}")
        _check("--seed", self.seed, 0 <= self.seed <= _MAX_SEED, f"a whole number from 0 to {_MAX_SEED}")
        _check("--lrate", self.lrate, 0 < self.lrate < math.inf, "a learning rate above 0, such as 0.001")
        is_range = self.profile_steps is None or 1 <= self.profile_steps[0] <= self.profile_steps[1]
        _check("--profile_steps", self.profile_steps, is_range, "first,last: two steps, counted from 1, as in 10,20")
        if self.profile_steps is not None and not self.tensorboard:
            raise ConfigError("--profile_steps", self.profile_steps, "--tensorboard beside it, which shows the profile")
        self._check_data_service()
        object.__setattr__(self, "hyperparameters", models.resolve(self.model, self.hyperparameters))

    def _check_data_service(self) -> None:
        """Checks that nothing is asked of a tf.data service that depends on the order of its batches."""
        if self.data_service is None:
            return
        is_address = ingest_config.host_port(self.data_service) is not None
        expected = "grpc://HOST:PORT, which python -m trainer.ingest.service prints"
        _check("--data_service", self.data_service, is_address, expected)
        order = "since the batches of --data_service come in no fixed order"
        _check("--share", self.share, self.share == "range", f"range, {order}")
        within = f"none, {order}: a run goes on from the end of an epoch only"
        _check("--backup_steps", self.backup_steps, self.backup_steps is None, within)
        virtual = f"none, {order}: an epoch is the whole split"
        _check("--num_training_examples", self.num_training_examples, self.num_training_examples is None, virtual)

    @property
    def folders(self) -> RunFolders:
        """Where what the run makes goes."""
        return RunFolders.resolve(self.output_dir, self.model_dir, self.checkpoint_dir, self.log_dir)

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as flags and their values, those left open (None) not among them."""
        flags: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "hyperparameters"}
        if self.image_size is not None:
            flags["image_size"] = f"{self.image_size[0]}x{self.image_size[1]}"
        if self.profile_steps is not None:
            flags["profile_steps"] = ",".join(map(str, self.profile_steps))
        flags |= self.hyperparameters
        return {name: value for name, value in flags.items() if value is not None}


# Flags that change how a run is run, not what comes out of it.
_FREE_FLAGS = {
    "output_dir",
    "model_dir",
    "checkpoint_dir",
    "log_dir",
    "data_dir",
    "backup_steps",
    "serving_input",
    "serving_formats",
    "tensorboard",
    "profile_steps",
    "distribute",
    # Checked at the place where a run goes on.
    "data_service",
    # Of a run that goes on only the decay of the learning rate depends on it.
    "num_epochs",
}


def binding_flags(config: TrainConfig) -> dict[str, Any]:
    """Returns the flags that a run's result depends on, by name."""
    return {name: value for name, value in config.to_dict().items() if name not in _FREE_FLAGS}


# Those of None or 1 at least.
_COUNTS = {
    "num_epochs": "epochs",
    "num_training_examples": "examples",
    "batch_size": "images",
    "patience": "epochs",
    "steps_per_execution": "steps",
    "backup_steps": "steps",
}
_CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "lrate_decay": LRATE_DECAYS,
    "resize": (*RESIZES, None),
    "distribute": DISTRIBUTIONS,
    "share": ingest_config.SHARES,
    "serving_input": SERVING_INPUTS,
    "serving_formats": SERVING_FORMATS,
}


def _join(choices: Iterable[str | None]) -> str:
    return ", ".join(choice for choice in choices if choice is not None)


def _check(option: str, got: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(option, got, expected)
