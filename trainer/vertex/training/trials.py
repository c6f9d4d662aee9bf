"""The trials of a tuning job: which is the best, what its flags are, and where to look next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.cli import console as open_console
from etl.errors import ConfigError

# Which trials say where to look next: so many of the best.
_BEST_SHARE, _LEAST_BEST = 0.25, 3
# How far beyond them: this share of the first study's range, on each side.
_MARGIN = 0.15

_LOG = "UNIT_LOG_SCALE"
_SPECS = ("doubleValueSpec", "integerValueSpec", "discreteValueSpec", "categoricalValueSpec")


@dataclass(frozen=True, slots=True)
class Study:
    """A tuning job, as the API shows it in JSON.

    Attributes:
        job: The HyperparameterTuningJob, in camelCase.
    """

    job: Mapping[str, Any]

    @property
    def metric(self) -> str:
        """What is tuned for."""
        return str(self.job["studySpec"]["metrics"][0]["metricId"])

    @property
    def is_maximised(self) -> bool:
        """Whether more of it is better."""
        return bool(self.job["studySpec"]["metrics"][0].get("goal") != "MINIMIZE")

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        """What was tuned."""
        return list(self.job["studySpec"]["parameters"])

    @property
    def trials(self) -> list[Mapping[str, Any]]:
        """All trials, in order."""
        return list(self.job.get("trials", []))

    def score(self, trial: Mapping[str, Any]) -> float | None:
        """Returns a trial's metric, None where it has none."""
        found = trial.get("finalMeasurement", {}).get("metrics", [])
        values = (entry.get("value", 0.0) for entry in found if entry.get("metricId") == self.metric)
        return next((float(value) for value in values), None)

    def ranked(self) -> list[Mapping[str, Any]]:
        """Returns the trials that succeeded, the best first."""
        sign = -1 if self.is_maximised else 1
        scored = [(self.score(trial), trial) for trial in self.trials if trial.get("state") == "SUCCEEDED"]
        known = [(score, trial) for score, trial in scored if score is not None and math.isfinite(score)]
        return [trial for _, trial in sorted(known, key=lambda pair: (sign * pair[0], int(pair[1]["id"])))]

    def flags(self, trial: Mapping[str, Any]) -> list[str]:
        """Returns a trial's parameters as flags of the trainer."""
        specs = {parameter["parameterId"]: parameter for parameter in self.parameters}
        values = {entry["parameterId"]: entry.get("value", 0.0) for entry in trial.get("parameters", [])}
        return [f"--{name}={format_value(value)}" for name, value in values.items() if name in specs]


def best_of(studies: Sequence[Study]) -> tuple[Study, Mapping[str, Any]]:
    """Returns the best trial of several studies of one metric, and its study.

    Raises:
        ConfigError: none of them succeeded.
    """
    found = [(study, study.ranked()[0]) for study in studies if study.ranked()]
    if not found:
        name = studies[0].job["name"]
        raise ConfigError("--from_best_trial", name, "a tuning job with a trial that succeeded")
    sign = 1 if studies[0].is_maximised else -1
    return max(found, key=lambda pair: sign * (pair[0].score(pair[1]) or 0.0))


def format_value(value: Any) -> str:
    """Formats a parameter's value as a flag takes it: numbers come as floats, also those that are counts."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def extremes(parameter: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the first and the last of a parameter's values, as flags take them."""
    spec: Mapping[str, Any] = next((parameter[name] for name in _SPECS if name in parameter), {})
    if "values" in spec:
        values = list(spec["values"])
        return (format_value(values[0]), format_value(values[-1])) if values else ("", "")
    low, high = (float(spec.get(name, 0.0)) for name in ("minValue", "maxValue"))
    return format_value(low), format_value(high)


def narrow(study: Study) -> list[dict[str, Any]]:
    """Returns the parameters of a study that goes on where one has ended: around its best trials.

    Vertex AI resumes no study, and its tuning jobs take neither old trials nor starting points. So what was learnt goes
    into the ranges: the span of the best quarter of the trials (three at least), and a margin.

    Raises:
        ConfigError: fewer than three trials succeeded, or the study went through a grid.
    """
    name = study.job["name"]
    if study.job["studySpec"].get("algorithm") == "GRID_SEARCH":
        raise ConfigError(
            "--resume_from", name, "a study that isn't a grid", "give the rest of the grid in the YAML file"
        )
    ranked = study.ranked()
    if len(ranked) < _LEAST_BEST:
        raise ConfigError("--resume_from", name, f"a study with {_LEAST_BEST} trials that succeeded, not {len(ranked)}")
    best = ranked[: max(_LEAST_BEST, math.ceil(_BEST_SHARE * len(ranked)))]
    values: dict[str, list[Any]] = {}
    for trial in best:
        for entry in trial.get("parameters", []):
            values.setdefault(entry["parameterId"], []).append(entry.get("value", 0.0))
    return [_narrow(parameter, values.get(parameter["parameterId"], [])) for parameter in study.parameters]


def _narrow(parameter: Mapping[str, Any], values: list[Any]) -> dict[str, Any]:
    made = dict(parameter)
    if not values:
        return made
    kind = next(name for name in _SPECS if name in parameter)
    spec = parameter[kind]
    if kind == "categoricalValueSpec":
        made[kind] = {**spec, "values": [value for value in spec["values"] if value in values]}
    elif kind == "discreteValueSpec":
        ordered = sorted(spec["values"])
        # Values come back as they went out, or as near as a float is; and one more on each side.
        first, last = _nearest(ordered, min(values)), _nearest(ordered, max(values))
        made[kind] = {**spec, "values": ordered[max(0, first - 1) : last + 2]}
    else:
        low, high = _span(spec, values, is_log=parameter.get("scaleType") == _LOG)
        is_integer = kind == "integerValueSpec"
        ends = (math.floor(low), math.ceil(high)) if is_integer else (low, high)
        made[kind] = {**spec, "minValue": ends[0], "maxValue": ends[1]}
    return made


def _nearest(values: Sequence[float], wanted: float) -> int:
    """Returns the index of the value that is nearest."""
    return min(range(len(values)), key=lambda at: abs(values[at] - wanted))


def _span(spec: Mapping[str, Any], values: list[Any], *, is_log: bool) -> tuple[float, float]:
    """Returns the smallest and the largest of some values with a margin, within the range."""
    least, most = float(spec.get("minValue", 0.0)), float(spec["maxValue"])
    forward, back = (math.log, math.exp) if is_log else (float, float)
    margin = _MARGIN * (forward(most) - forward(least))
    low, high = back(forward(min(values)) - margin), back(forward(max(values)) + margin)
    return max(least, low), min(most, high)


def print_trials(study: Study, earlier: Sequence[Study] = ()) -> None:
    """Prints the trials, the best first, those that have no metric last."""
    from rich.table import Table

    names = [parameter["parameterId"] for parameter in study.parameters]
    table = Table("trial", "state", study.metric, *names)
    for column in (table.columns[0], *table.columns[2:]):
        column.justify = "right"
    ranked = study.ranked()
    others = [trial for trial in study.trials if trial not in ranked]
    for trial in [*ranked, *others]:
        score = study.score(trial)
        values = {entry["parameterId"]: entry.get("value", 0.0) for entry in trial.get("parameters", [])}
        style = "bold" if ranked and trial is ranked[0] else ""
        cells = [trial["id"], trial.get("state", "").lower(), "" if score is None else f"{score:.4f}"]
        table.add_row(*cells, *(_show(values.get(name)) for name in names), style=style)
    console = open_console()
    console.print(table)
    for old in earlier:
        if old.ranked():
            best = old.ranked()[0]
            console.print(f"before, trial {best['id']} of {old.job['name']}: {old.score(best):.4f}", soft_wrap=True)


def _show(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
