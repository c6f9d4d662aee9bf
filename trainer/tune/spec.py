"""The tuning job's YAML file, read as strictly as the service reads it, without its SDK."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trainer
from etl.errors import ConfigError, one_line
from etl.format.parsing import parse_yaml
from trainer.tune import parameters
from trainer.tune.fields import Fields
from trainer.tune.parameters import Parameter

BAYESIAN, GRID, RANDOM = "ALGORITHM_UNSPECIFIED", "GRID_SEARCH", "RANDOM_SEARCH"
LAST, BEST = "LAST_MEASUREMENT", "BEST_MEASUREMENT"
_CONFIGS_DIR = Path(trainer.__file__).parent / "vertex" / "configs"
_PREFIX = "tune_"

_JOB = (
    "displayName",
    "studySpec",
    "maxTrialCount",
    "parallelTrialCount",
    "maxFailedTrialCount",
    "trialJobSpec",
    "labels",
    "encryptionSpec",
)
_STOPPINGS = ("medianAutomatedStoppingSpec", "decayCurveStoppingSpec", "convexAutomatedStoppingSpec")
_STUDY = (
    "metrics",
    "parameters",
    "algorithm",
    "observationNoise",
    "measurementSelectionType",
    "studyStoppingConfig",
    *_STOPPINGS,
)
# As many as the service takes.
_MAX_PARALLEL = 100


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a trial is given up.

    Attributes:
        rule: The field of the file that asks for it.
        min_epochs: Epochs that every trial gets; None for a quarter of them.
        min_completed: Trials that must have been completed first; None for the usual number.
    """

    rule: str
    min_epochs: int | None = None
    min_completed: int | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """What a study is.

    Attributes:
        name: The job's `displayName`.
        metric: What the trainer reports.
        is_maximised: Whether more of it is better.
        parameters: What is tuned.
        algorithm: `BAYESIAN`, `GRID` or `RANDOM`.
        selection: What a trial's metric is: `LAST` or `BEST` of its epochs'.
        stopping: When trials are given up, None for never.
        max_trials: Trials in all.
        parallel_trials: Trials that are proposed before the first of them is known.
        max_failed: Failed trials with which the study fails, 0 for the tuner's own limit.
        arguments: Of `trainer.task`, the same for all trials.
    """

    name: str
    metric: str
    is_maximised: bool
    parameters: tuple[Parameter, ...]
    algorithm: str
    selection: str
    stopping: Stopping | None
    max_trials: int
    parallel_trials: int
    max_failed: int
    arguments: tuple[str, ...]

    @property
    def num_combinations(self) -> int | None:
        """How many different trials there can be, None where there is no end of them."""
        counts = [parameter.num_values for parameter in self.parameters]
        known = [count for count in counts if count is not None]
        return math.prod(known) if len(known) == len(counts) else None


def find(name: str) -> Path:
    """Finds a configuration: a file, or the name of one that comes with the package, `tune_` left out or not.

    Raises:
        ConfigError: there is none.
    """
    if Path(name).is_file():
        return Path(name)
    for stem in (name, f"{_PREFIX}{name}"):
        if (_CONFIGS_DIR / f"{stem}.yaml").is_file() and stem.startswith(_PREFIX):
            return _CONFIGS_DIR / f"{stem}.yaml"
    own = sorted(path.stem for path in _CONFIGS_DIR.glob(f"{_PREFIX}*.yaml"))
    raise ConfigError("--config", name, f"a YAML file, or one of {', '.join(own)}")


def load(path: Path) -> Spec:
    """Loads the file of a tuning job.

    Raises:
        ConfigError: it can't be read, or whatever is wrong with it.
    """
    try:
        content = parse_yaml(path.read_bytes())
    except OSError as error:
        raise ConfigError("--config", str(path), "a file that can be read", error.strerror or str(error)) from error
    except ValueError as error:
        raise ConfigError("--config", str(path), "a YAML file", one_line(error)) from error
    return read(content)


def read(content: object) -> Spec:
    """Reads the content of such a file: a `HyperparameterTuningJob` of the Vertex AI API.

    Raises:
        ConfigError: whatever is wrong with it, or can't be done here.
    """
    job = Fields(content, "", _JOB)
    study = job.message("studySpec", _STUDY)
    if study.has("studyStoppingConfig"):
        raise ConfigError("studySpec.studyStoppingConfig", "a setting", "none: maxTrialCount says when a study ends")
    metric, is_maximised = _read_metric(study)
    specs = study.list("parameters", "parameters")
    tuned = tuple(parameters.read(each, f"studySpec.parameters[{index}]") for index, each in enumerate(specs))
    names = [parameter.name for parameter in tuned]
    if not names or len(set(names)) < len(names):
        raise ConfigError("studySpec.parameters", ", ".join(names), "one parameter or more, each once")
    algorithm = study.choice("algorithm", (BAYESIAN, GRID, RANDOM), BAYESIAN)
    if algorithm == GRID:
        for parameter in tuned:
            parameter.grid()
    study.choice("observationNoise", ("OBSERVATION_NOISE_UNSPECIFIED", "LOW", "HIGH"), "LOW")
    unspecified = "MEASUREMENT_SELECTION_TYPE_UNSPECIFIED"
    selection = study.choice("measurementSelectionType", (unspecified, LAST, BEST), LAST)
    parallel = job.integer("parallelTrialCount", 1, default=1)
    if parallel > _MAX_PARALLEL:
        raise ConfigError("parallelTrialCount", parallel, f"1 to {_MAX_PARALLEL}")
    return Spec(
        name=job.text("displayName", "tuning"),
        metric=metric,
        is_maximised=is_maximised,
        parameters=tuned,
        algorithm=algorithm,
        selection=LAST if selection == unspecified else selection,
        stopping=_read_stopping(study),
        max_trials=job.integer("maxTrialCount", 1, default=1),
        parallel_trials=parallel,
        max_failed=job.integer("maxFailedTrialCount", 0, default=0),
        arguments=_read_arguments(job.get("trialJobSpec") if job.has("trialJobSpec") else {}),
    )


def _read_metric(study: Fields) -> tuple[str, bool]:
    metrics = study.list("metrics", "metrics")
    if len(metrics) != 1:
        raise ConfigError("studySpec.metrics", len(metrics), "one metric")
    metric = Fields(metrics[0], "studySpec.metrics[0]", ("metricId", "goal"))
    goals = ("GOAL_TYPE_UNSPECIFIED", "MAXIMIZE", "MINIMIZE")
    return metric.text("metricId"), metric.choice("goal", goals, goals[0]) != "MINIMIZE"


def _read_stopping(study: Fields) -> Stopping | None:
    """Reads which rule stops hopeless trials; here all of them are the median rule."""
    present = [name for name in _STOPPINGS if study.has(name)]
    if not present:
        return None
    if len(present) > 1:
        raise ConfigError("studySpec", ", ".join(present), "one rule that stops trials")
    convex = ("maxStepCount", "minStepCount", "minMeasurementCount", "learningRateParameterName")
    own = (*convex, "updateAllStoppedTrials") if present[0] == _STOPPINGS[2] else ()
    rule = study.message(present[0], ("useElapsedDuration", *own))
    if rule.flag("useElapsedDuration"):
        raise ConfigError(rule.at("useElapsedDuration"), True, "false: epochs, because seconds differ each time")
    # To the service 0 is as good as nothing.
    min_epochs, min_trials = (rule.integer(name, 0, default=0) for name in ("minStepCount", "minMeasurementCount"))
    return Stopping(present[0], min_epochs or None, min_trials + 1 if min_trials else None)


def _read_arguments(job: Any) -> tuple[str, ...]:
    """Reads the arguments of the first worker pool; all else about the machines is the service's to check."""
    path = "trialJobSpec.workerPoolSpecs"
    pools = job.get("workerPoolSpecs", job.get("worker_pool_specs", [])) if isinstance(job, Mapping) else None
    if not isinstance(pools, list) or not all(isinstance(pool, Mapping) for pool in pools):
        raise ConfigError(path, pools, "a list of worker pools")
    found: tuple[str, ...] = ()
    for kind in ("pythonPackageSpec", "python_package_spec", "containerSpec", "container_spec"):
        if pools and isinstance(pools[0].get(kind), Mapping):
            arguments = {"args": pools[0][kind].get("args")}
            found += Fields(arguments, f"{path}[0].{kind}", ("args",)).texts("args")
    return found
