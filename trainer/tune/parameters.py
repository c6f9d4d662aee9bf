"""One thing that is tuned: its values, how they are drawn, and the flag that a trial is given."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from etl.errors import ConfigError
from trainer.tune.fields import Fields

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value: TypeAlias = "int | float | str"

LINEAR, LOG, REVERSE_LOG = "UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"
_SCALES = ("SCALE_TYPE_UNSPECIFIED", LINEAR, LOG, REVERSE_LOG)

DOUBLE, INTEGER, CATEGORICAL, DISCRETE = "DOUBLE", "INTEGER", "CATEGORICAL", "DISCRETE"
# The field that says which kind a parameter is.
_SPECS = {
    "doubleValueSpec": DOUBLE,
    "integerValueSpec": INTEGER,
    "categoricalValueSpec": CATEGORICAL,
    "discreteValueSpec": DISCRETE,
}
_FIELDS = ("parameterId", "scaleType", "conditionalParameterSpecs", *_SPECS)

# What the service takes.
_MAX_DISCRETE = 1000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Of the trainer's flag, without its dashes.
        kind: `DOUBLE`, `INTEGER`, `CATEGORICAL` or `DISCRETE`.
        low: The smallest value, of a `DOUBLE` or an `INTEGER`.
        high: The largest.
        values: Of a `CATEGORICAL` (texts) or a `DISCRETE` (numbers, rising), all that there are.
        scale: `LINEAR`; `LOG`, small values spread out; or `REVERSE_LOG`, large ones. It says nothing about
            `DISCRETE` values, which are drawn by their places in the list, nor about `CATEGORICAL` ones.
    """

    name: str
    kind: str
    low: float = 0
    high: float = 0
    values: tuple[Value, ...] = ()
    scale: str = LINEAR

    @property
    def num_values(self) -> int | None:
        """How many values there are, None of a `DOUBLE`, which has no end of them."""
        if self.kind == DOUBLE:
            return None
        return int(self.high - self.low) + 1 if self.kind == INTEGER else len(self.values)

    def distribution(self) -> BaseDistribution:
        """Returns what a sampler draws from; `to_value` turns what it has drawn into a value."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == DOUBLE:
            return FloatDistribution(self.low, self.high, log=self.scale != LINEAR)
        if self.kind == INTEGER:
            return IntDistribution(int(self.low), int(self.high), log=self.scale != LINEAR)
        if self.kind == DISCRETE:
            return IntDistribution(0, len(self.values) - 1)
        return CategoricalDistribution(self.values)

    def grid(self) -> Sequence[Value]:
        """Returns all that can be drawn.

        Raises:
            ConfigError: it is a `DOUBLE`.
        """
        if self.kind == DOUBLE:
            raise ConfigError(
                self.name, DOUBLE, "an INTEGER, CATEGORICAL or DISCRETE parameter, which GRID_SEARCH can go through"
            )
        if self.kind == INTEGER:
            return range(int(self.low), int(self.high) + 1)
        return range(len(self.values)) if self.kind == DISCRETE else self.values

    def to_value(self, drawn: Value) -> Value:
        """Turns what was drawn from `distribution` or `grid` into the parameter's value."""
        if self.kind == CATEGORICAL:
            return drawn
        if self.kind == DISCRETE:
            return self.values[int(drawn)]
        if self.scale == REVERSE_LOG:
            # Mirrored: what was drawn near the lower end, where a logarithm spreads values out, is near the upper one.
            drawn = min(max(self.low + self.high - float(drawn), self.low), self.high)
        return int(drawn) if self.kind == INTEGER else float(drawn)

    def corners(self) -> tuple[Value, ...]:
        """Returns values that stand for all: if the trainer takes these, it takes those between."""
        if self.values:
            return self.values
        return tuple(dict.fromkeys((self.low, self.high)))

    def flag(self, value: Value) -> str:
        """Returns the trainer's flag; whole numbers without a point, as the service gives them."""
        return f"--{self.name}={show(value)}"


def show(value: Value) -> str:
    """Returns a value as a text from which exactly it can be read."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read(content: object, path: str) -> Parameter:
    """Reads one parameter of the file.

    Args:
        content: A `ParameterSpec`.
        path: Where it is in the file.

    Raises:
        ConfigError: whatever is wrong with it, or can't be done here.
    """
    spec = Fields(content, path, _FIELDS)
    name = spec.text("parameterId")
    if spec.list("conditionalParameterSpecs", "parameters"):
        raise ConfigError(
            spec.at("conditionalParameterSpecs"), name, "no conditions: here every trial has all parameters"
        )
    present = [field for field in _SPECS if spec.has(field)]
    if len(present) != 1:
        raise ConfigError(path, ", ".join(present) or None, f"exactly one of {', '.join(_SPECS)}")
    kind = _SPECS[present[0]]
    scale = spec.choice("scaleType", _SCALES, _SCALES[0])
    scale = LINEAR if scale == _SCALES[0] else scale
    if kind in (CATEGORICAL, DISCRETE):
        values = spec.message(present[0], ("values",))
        return _read_values(name, kind, values, scale)
    bounds = spec.message(present[0], ("minValue", "maxValue"))
    low: float
    high: float
    # The service leaves a zero out when it writes one.
    if kind == INTEGER:
        low, high = bounds.integer("minValue", default=0), bounds.integer("maxValue", default=0)
    else:
        low, high = bounds.number("minValue", 0.0), bounds.number("maxValue", 0.0)
    if low > high:
        raise ConfigError(bounds.at("maxValue"), high, f"minValue ({low}) or more")
    if scale != LINEAR and low <= 0:
        raise ConfigError(bounds.at("minValue"), low, f"a number above 0, which {scale} needs")
    return Parameter(name, kind, low, high, scale=scale)


def _read_values(name: str, kind: str, spec: Fields, scale: str) -> Parameter:
    values: tuple[Value, ...] = spec.texts("values") if kind == CATEGORICAL else spec.numbers("values")
    if not values or len(values) > _MAX_DISCRETE:
        raise ConfigError(spec.at("values"), len(values), f"1 to {_MAX_DISCRETE} values")
    if kind == CATEGORICAL and len(set(values)) < len(values):
        raise ConfigError(spec.at("values"), list(values), "each value once")
    if kind == DISCRETE and any(float(one) >= float(next_) for one, next_ in itertools.pairwise(values)):
        raise ConfigError(spec.at("values"), list(values), "numbers in rising order")
    if kind == DISCRETE and all(float(value).is_integer() for value in values):
        values = tuple(int(value) for value in values)
    return Parameter(name, kind, values=values, scale=scale)
