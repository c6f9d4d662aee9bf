"""The hyperparameters of models: names, kinds and ranges, one table for flags, files and functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from etl.backbones.weights import ALPHAS
from etl.cli import to_whole
from etl.errors import ConfigError

# The value of `--weights` for weights drawn at random.
DRAWN = "none"

# None only as a default: the data set says it.
Value: TypeAlias = "int | float | bool | str | None"

_TRUE = ("1", "1.0", "true", "yes", "on")
_FALSE = ("0", "0.0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """Something that shapes a model.

    Attributes:
        name: Of the flag, without its dashes.
        kind: `int`, `float`, `bool` or `str`.
        what: What it is, in words, with its range.
        minimum: The smallest number accepted.
        maximum: The largest number accepted, None for no bound.
        choices: The only values accepted, where there are few.
    """

    name: str
    kind: type[int] | type[float] | type[bool] | type[str]
    what: str
    minimum: float = 0
    maximum: float | None = None
    choices: tuple[float, ...] = ()

    @property
    def metavar(self) -> str:
        """What stands for the value in a help text."""
        return {int: "N", float: "X", bool: "0|1", str: "TEXT"}[self.kind]

    def parse(self, text: str) -> Value:
        """Reads a flag's value and checks it.

        Raises:
            ConfigError: it is no such value, or out of range.
        """
        value: Value = text
        if self.kind is bool:
            if text.lower() not in (*_TRUE, *_FALSE):
                raise self._refuse(text)
            value = text.lower() in _TRUE
        elif self.kind is not str:
            try:
                value = to_whole(text) if self.kind is int else self.kind(text)
            except ValueError:
                raise self._refuse(text) from None
        self.check(value)
        return value

    def check(self, value: Value) -> None:
        """Checks a value that is no text any more.

        Raises:
            ConfigError: it is of another kind, or out of range.
        """
        # A bool is an int to Python, and an int will do for a float.
        fits = isinstance(value, (int, float) if self.kind is float else self.kind)
        if not fits or (isinstance(value, bool) and self.kind is not bool):
            raise self._refuse(value)
        if isinstance(value, (bool, str)) or value is None:
            return
        # Written so that NaN fails too.
        within = self.minimum <= value < float("inf") and (self.maximum is None or value <= self.maximum)
        if not within or (self.choices and value not in self.choices):
            raise self._refuse(value)

    def show(self, value: Value) -> str:
        """Writes a value as a flag would be given it; a default that is left to the data set as such."""
        if value is None:
            return "the data set's"
        if isinstance(value, bool):
            return str(int(value))
        return f"{value:g}" if isinstance(value, float) else str(value) or "none"

    def _refuse(self, value: object) -> ConfigError:
        return ConfigError(f"--{self.name}", value, self.what)


_ALL = (
    Hyperparameter("l1", float, "L1 penalty on the weights of the dense layers, 0 or more"),
    Hyperparameter("l2", float, "L2 penalty on the weights of the dense layers, 0 or more"),
    Hyperparameter("num_hidden", int, "units of a hidden layer before the softmax, 0 for no such layer"),
    Hyperparameter("dropout", float, "share of features dropped in training, from 0 to 0.99", maximum=0.99),
    Hyperparameter(
        "crop_ratio",
        float,
        "share of height and width that a random crop keeps in training, and the central one after it; "
        "from 0.1 to 1, which is no crop",
        minimum=0.1,
        maximum=1,
    ),
    Hyperparameter("with_color_distort", bool, "whether training changes contrast and brightness at random: 0 or 1"),
    Hyperparameter(
        "weights", str, "MobileNetV2's weights: imagenet, none (drawn at random), or a file without its top"
    ),
    Hyperparameter(
        "alpha", float, f"MobileNetV2's width, one of {', '.join(f'{alpha:g}' for alpha in ALPHAS)}", choices=ALPHAS
    ),
    Hyperparameter("unfreeze_from", str, "name of the first layer of MobileNetV2 that is trained, empty for none"),
)

# Each one is a flag of `trainer.task`, and a keyword of the models that take it.
HYPERPARAMETERS: Mapping[str, Hyperparameter] = MappingProxyType({rule.name: rule for rule in _ALL})
