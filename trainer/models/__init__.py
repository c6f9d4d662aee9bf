"""The models by name: one model a file, each imported when it is built, so that listing them loads no Keras."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A number that shapes a model.

    Attributes:
        kind: `int` or `float`.
        minimum: The smallest value accepted.
        maximum: The largest value accepted, None for no bound.
        what: What it is, in words, with its range.
    """

    kind: type[int] | type[float]
    minimum: float
    maximum: float | None
    what: str


# Each one is a flag of `trainer.task`, and a keyword of the models that take it.
HYPERPARAMETERS: Mapping[str, Hyperparameter] = MappingProxyType(
    {
        "l1": Hyperparameter(float, 0, None, "L1 penalty on the weights of the dense layers, 0 or more"),
        "l2": Hyperparameter(float, 0, None, "L2 penalty on the weights of the dense layers, 0 or more"),
        "num_hidden": Hyperparameter(int, 0, None, "units of a hidden layer before the softmax, 0 for no such layer"),
        "dropout": Hyperparameter(float, 0, 0.99, "share of features dropped before the softmax, from 0 to 0.99"),
    }
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of `MODELS`.

    Attributes:
        module: Where its `build` is: a function of `hyperparameters` and `required`, all by keyword.
        summary: What it is, in a few words.
        lrate: Adam's learning rate at the start, where none is given.
        hyperparameters: Those of `HYPERPARAMETERS` that it takes, with their defaults.
        required: What `build` can't do without, because the data set says it.
    """

    module: str
    summary: str
    lrate: float
    hyperparameters: Mapping[str, int | float] = field(default_factory=dict)
    required: tuple[str, ...] = ("image_size", "num_classes")


MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        "linear": ModelSpec(
            module="trainer.models.linear",
            summary="flatten, dense softmax",
            # Every pixel is an input of its own: at ten times this rate the loss jumps about.
            lrate=1e-4,
            hyperparameters={"l1": 0.0, "l2": 0.0},
        ),
        "cnn": ModelSpec(
            module="trainer.models.cnn",
            summary="four convolutions, global average, dense softmax",
            lrate=5e-3,
            hyperparameters={"l1": 0.0, "l2": 0.0, "num_hidden": 0, "dropout": 0.0},
        ),
    }
)


def find(name: str) -> ModelSpec:
    """Returns the entry of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise ConfigError("--model", name, f"one of {', '.join(MODELS)}")
    return MODELS[name]


def resolve(name: str, given: Mapping[str, int | float]) -> dict[str, int | float]:
    """Returns all hyperparameters of a model: those given, and the defaults of the others.

    Args:
        name: Of the model.
        given: Hyperparameter to value.

    Raises:
        ConfigError: no such model, one that it doesn't take, or a value out of range.
    """
    spec = find(name)
    for option, value in given.items():
        if option not in spec.hyperparameters:
            takes = ", ".join(f"--{own}" for own in spec.hyperparameters) or "none"
            raise ConfigError(f"--{option}", value, f"a hyperparameter that {name} takes ({takes})")
        rule = HYPERPARAMETERS[option]
        # Written so that NaN fails too.
        if not rule.minimum <= value < float("inf") or (rule.maximum is not None and value > rule.maximum):
            raise ConfigError(f"--{option}", value, rule.what)
    return {**spec.hyperparameters, **given}


def build(name: str, **hyperparameters: Any) -> keras.Model:
    """Builds a model, with fresh weights from Keras' random state, not compiled.

    Args:
        name: A key of `MODELS`.
        **hyperparameters: `image_size`: (height, width), and `num_classes`; further those of the model's entry, which
            have defaults.

    Returns:
        From uint8 images (B, height, width, 3), 0-255, to float32 probabilities (B, num_classes) that add up to 1.

    Raises:
        ConfigError: no such model, a hyperparameter that it doesn't take, one missing, or a value out of range.
    """
    spec = find(name)
    missing = [option for option in spec.required if option not in hyperparameters]
    if missing:
        raise ConfigError(missing[0], None, f"a value, which {name} can't be built without")
    required = {option: hyperparameters[option] for option in spec.required}
    given = {option: value for option, value in hyperparameters.items() if option not in required}
    model: keras.Model = importlib.import_module(spec.module).build(**required, **resolve(name, given))
    return model
