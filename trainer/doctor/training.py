"""A model's training step, alone on one batch and in a loop that takes its input from the pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from etl.errors import ConfigError
from trainer import models
from trainer.doctor.findings import Training
from trainer.doctor.timing import time_rate
from trainer.models.hyperparameters import DRAWN
from trainer.training.objective import make_objective
from trainer.training.steps import Steps
from trainer.training.strategy import Distribution

if TYPE_CHECKING:
    from trainer.ingest.plan import Plan

# Steps of the loop that don't count: buffers fill, and code is compiled.
_NUM_WARM = 3
_MIN_STEPS = 8
# The loop's time, in those of a stage: a step is long, and waiting may come in bursts.
_LOOP_FACTOR = 3


def check_model(name: str, plan: Plan) -> dict[str, Any]:
    """Returns what `trainer.models.build` needs for a model on this data; loads no Keras.

    Raises:
        ConfigError: no such model, or the data has not what it takes.
    """
    spec = models.find(name)
    has_images = plan.size is not None
    if has_images == (spec.takes == "embeddings"):
        raise ConfigError("--model", name, f"one that takes what the variant {plan.variant.name} holds")
    known = {"image_size": plan.size, "num_classes": len(plan.manifest.class_names) or None}
    required = {option: known.get(option) for option in spec.required}
    for option, value in required.items():
        if value is None:
            takes = f"one that can be built without {option}"
            raise ConfigError("--model", name, takes, f"the variant {plan.variant.name} does not tell it")
    return required


def check_backend() -> None:
    """Checks that Keras runs on TensorFlow, which layers and training steps are timed on.

    Raises:
        ConfigError: it runs on something else.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigError("KERAS_BACKEND", keras.backend.backend(), "tensorflow, on which the models here run")


def train(name: str, required: dict[str, Any], batches: Iterator[Any], seconds: float) -> Training:
    """Builds a model and trains it for some steps.

    Args:
        name: Of `trainer.models.MODELS`.
        required: As `check_model` returned it.
        batches: Without end: images or embeddings, and labels.
        seconds: To measure the step alone; the loop goes on for three times as long, and has eight steps at least.

    Raises:
        ConfigError: the model can't be built on this machine.
    """
    first = next(batches)
    step = make_step(name, required)
    batch_size = int(first[0].shape[0])

    def repeat() -> int:
        step(first)
        return batch_size

    alone = time_rate(repeat, seconds)
    waits, steps = follow(step, batches, seconds * _LOOP_FACTOR)
    return Training(name, alone, waits, steps, batch_size)


def make_step(name: str, required: dict[str, Any]) -> Callable[[Any], Any]:
    """Builds a model, and returns its training step as the trainer runs it on one device."""
    spec = models.find(name)
    # Weights are as fast whatever they are, and drawn ones need no download.
    drawn = {"weights": DRAWN} if "weights" in spec.hyperparameters else {}
    model = models.build(name, **required, **drawn)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    steps = Steps(model, optimizer, make_objective(spec.gives), Distribution("cpu", tf.distribute.get_strategy()))
    # The sums are fetched: their arrival says that the device is done.
    return lambda batch: steps.train_batch(*batch).numpy()


def follow(
    step: Callable[[Any], Any],
    batches: Iterator[Any],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Runs training steps, and notes how long each waits for its input and how long it then takes.

    Args:
        step: Trains on one batch, and waits for its end.
        batches: Without end.
        seconds: How long to go on; eight steps at least count, the first three never.
        clock: Returns seconds.

    Returns:
        Seconds of waiting before each step, and seconds of each step.
    """
    waits: list[float] = []
    steps: list[float] = []
    for _ in range(_NUM_WARM):
        step(next(batches))
    began = now = clock()
    while len(steps) < _MIN_STEPS or now < began + seconds:
        asked = now
        batch = next(batches)
        got = clock()
        step(batch)
        now = clock()
        waits.append(got - asked)
        steps.append(now - got)
    return tuple(waits), tuple(steps)
