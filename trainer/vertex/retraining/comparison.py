"""Compares a new model with the deployed one, by their measures on a test split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.errors import ConfigError
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.calls import Call, Session
from trainer.vertex.deployment import artifacts, endpoints

# Metric to whether more of it is better; the first one that an evaluation has counts.
METRICS: Mapping[str, bool] = {"accuracy": True, "mse": False}

_DESCRIBED = re.compile(r"test accuracy (\d\.\d+)")


@dataclass(frozen=True, slots=True)
class Score:
    """What a model was measured at.

    Attributes:
        metric: A key of `METRICS`.
        value: Accuracy from 0 to 1, or a mean squared error in units of [-1, 1].
        fingerprint: Of the data set whose test split it was, "" where that isn't known.
    """

    metric: str
    value: float
    fingerprint: str = ""

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4f}"


def read_score(evaluation: Mapping[str, Any]) -> Score | None:
    """Returns the score of an evaluation; None where it has none of `METRICS`."""
    for metric in METRICS:
        value = evaluation.get(metric)
        if isinstance(value, (int, float)):
            return Score(metric, float(value), str(evaluation.get("fingerprint", "")))
    return None


def find_deployed(session: Session, store: Buckets, endpoint: Any) -> tuple[str, Score | None] | None:
    """Finds what an endpoint's main model was measured at.

    Args:
        session: The connection.
        store: That to Cloud Storage.
        endpoint: As the API gives it.

    Returns:
        The version in words, and its score: of the evaluation beside its artifact, or where that has gone of its
        description; None for a model whose score isn't known. None alone where nothing is deployed.
    """
    deployed = endpoints.find_main(endpoint)
    if deployed is None:
        return None
    model, version = endpoints.get_version(deployed)
    name = f"version {version} of {model.rpartition('/')[2]}"
    call = Call("getModel", {"name": f"{model}@{version}"}, f"looking at {name}")
    registered = session.send(call)
    evaluation = artifacts.read_evaluation(store, registered.artifact_uri) if registered.artifact_uri else None
    score = read_score(evaluation or {})
    if score is None:
        described = _DESCRIBED.search(registered.version_description)
        score = Score("accuracy", float(described[1])) if described else None
    return name, score


def is_not_worse(new: Score, old: Score, tolerance: float) -> bool:
    """Tells whether a score is as good as another, or by no more than a tolerance worse.

    Raises:
        ConfigError: they are different metrics.
    """
    if new.metric != old.metric:
        hint = "models of different kinds need endpoints of their own"
        raise ConfigError("--endpoint", old.metric, f"a model that is measured by {new.metric}", hint)
    gain = new.value - old.value if METRICS[new.metric] else old.value - new.value
    return gain >= -tolerance


def is_comparable(new: Score, old: Score) -> bool:
    """Tells whether two scores are of the same test split, as far as that is known."""
    return not (new.fingerprint and old.fingerprint) or new.fingerprint == old.fingerprint
