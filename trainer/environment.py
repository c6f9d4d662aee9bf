"""Reads the environment variables of the services that run this code; no other module reads them.

Vertex AI sets them in its containers; anybody else may. Flags win over them, and without either there are
local defaults. What each means: https://cloud.google.com/vertex-ai/docs/training/code-requirements
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.errors import ConfigError, one_line
from etl.format.parsing import is_text, parse_json

MODEL_DIR = "AIP_MODEL_DIR"
CHECKPOINT_DIR = "AIP_CHECKPOINT_DIR"
LOG_DIR = "AIP_TENSORBOARD_LOG_DIR"
TRAINING_DATA = "AIP_TRAINING_DATA_URI"
VALIDATION_DATA = "AIP_VALIDATION_DATA_URI"
TEST_DATA = "AIP_TEST_DATA_URI"
DATA_FORMAT = "AIP_DATA_FORMAT"
METRIC_FILE = "CLOUD_ML_HP_METRIC_FILE"
TRIAL = "CLOUD_ML_TRIAL_ID"
TF_CONFIG = "TF_CONFIG"
CLUSTER_SPEC = "CLUSTER_SPEC"
STORAGE_URI = "AIP_STORAGE_URI"
HTTP_PORT = "AIP_HTTP_PORT"
PREDICT_ROUTE = "AIP_PREDICT_ROUTE"
HEALTH_ROUTE = "AIP_HEALTH_ROUTE"
REGION = "CLOUD_ML_REGION"

# The paths of TensorFlow Serving's REST interface, which clients know.
DEFAULT_PREDICT_ROUTE = "/v1/models/petalstream:predict"
DEFAULT_HEALTH_ROUTE = "/v1/models/petalstream"
_DEFAULT_PORT = "8080"
_PORT = re.compile("[0-9]{1,5}")
# No braces: to the server they are parameters.
_ROUTE = re.compile(r"/[^\s{}?#]*")

# The format of a managed image data set; the service has others for tables.
JSON_LINES = "jsonl"
# Where the tuning service looks for metrics if it names no file.
_DEFAULT_METRIC_FILE = "/tmp/hypertune/output.metrics"
# The roles that Vertex AI's worker pools play for TensorFlow.
_POOLS = {"workerpool0": "chief", "workerpool1": "worker", "workerpool2": "ps", "workerpool3": "evaluator"}
_CLUSTER = (
    'a cluster and a task, as in {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says; None, or no entry, where it says nothing.

    Attributes:
        model_dir: Where the exported model goes.
        checkpoint_dir: Where checkpoints go.
        log_dir: Where TensorBoard's event files go.
        data_dir: Folder of a data set of ours.
        managed: Split to the JSON lines of a managed image data set, a file or a pattern.
        metric_file: Where the metric of a tuning trial is written; None where nobody reads it.
        trial: The trial's number, "0" for none.
    """

    model_dir: str | None
    checkpoint_dir: str | None
    log_dir: str | None
    data_dir: str | None
    managed: Mapping[str, str]
    metric_file: str | None
    trial: str

    def to_flags(self) -> dict[str, str]:
        """Returns what `trainer.task` takes for flags that are not given.

        The model's folder always ends in `model` at Vertex AI, and what is around it in the run's own.
        """
        output_dir = posixpath.dirname(self.model_dir.rstrip("/")) if self.model_dir else None
        flags = {
            "output_dir": output_dir or None,
            "model_dir": self.model_dir,
            "checkpoint_dir": self.checkpoint_dir,
            "log_dir": self.log_dir,
            "data_dir": ",".join(f"{split}={uri}" for split, uri in self.managed.items()) or self.data_dir,
        }
        return {name: value for name, value in flags.items() if value is not None}


def read(environ: Mapping[str, str] | None = None) -> Environment:
    """Reads the variables.

    Args:
        environ: Where from; the process's own by default.

    Raises:
        ConfigError: the data set has a format that is no data set of images, or half of it is missing.
    """
    environ = os.environ if environ is None else environ

    def get(name: str) -> str | None:
        # The service sets some of them to nothing.
        return environ.get(name) or None

    form, training = get(DATA_FORMAT), get(TRAINING_DATA)
    if form not in (None, JSON_LINES):
        raise ConfigError(DATA_FORMAT, form, f"{JSON_LINES}, which image data sets have")
    managed: dict[str, str] = {}
    if form == JSON_LINES:
        if training is None:
            raise ConfigError(TRAINING_DATA, None, f"the training split, which {DATA_FORMAT}={form} promises")
        found = {"train": training, "validation": get(VALIDATION_DATA), "test": get(TEST_DATA)}
        managed = {split: uri for split, uri in found.items() if uri is not None}
    trial, named = get(TRIAL), get(METRIC_FILE)
    return Environment(
        model_dir=get(MODEL_DIR),
        checkpoint_dir=get(CHECKPOINT_DIR),
        log_dir=get(LOG_DIR),
        data_dir=None if managed else training,
        managed=managed,
        metric_file=named or (_DEFAULT_METRIC_FILE if trial else None),
        trial=trial or "0",
    )


def read_cluster(environ: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Returns this worker's number and how many there are; (0, 1) where nothing says so.

    A `chief` counts as worker 0. Parameter servers and evaluators are no workers, and have no part here.

    Args:
        environ: Where from; the process's own by default.

    Raises:
        ConfigError: a variable isn't what its service describes.
    """
    cluster, kind, index = _read_cluster(os.environ if environ is None else environ)
    chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
    if chiefs + workers <= 1:
        return 0, 1
    number = index if kind == "chief" else chiefs + index
    if kind not in ("chief", "worker") or not 0 <= number < chiefs + workers:
        raise ConfigError(TF_CONFIG, f"{kind} {index} of {dict(cluster)}", _CLUSTER)
    return number, chiefs + workers


def configure_tensorflow() -> None:
    """Sets the variable that TensorFlow itself reads, where only the service's own says who the workers are.

    Raises:
        ConfigError: as for `read_cluster`.
    """
    if read_cluster()[1] > 1 and not os.environ.get(TF_CONFIG):
        cluster, kind, index = _read_cluster(os.environ)
        os.environ[TF_CONFIG] = json.dumps({"cluster": dict(cluster), "task": {"type": kind, "index": index}})


def _read_cluster(environ: Mapping[str, str]) -> tuple[Mapping[str, list[str]], str, int]:
    """Returns role to addresses, this task's role, and its number in it."""
    name = TF_CONFIG if environ.get(TF_CONFIG) else CLUSTER_SPEC
    text = environ.get(name)
    if not text:
        return {}, "worker", 0
    try:
        content = parse_json(text)
        cluster, task = _table(content.get("cluster", {})), _table(content.get("task", {}))
        kind, index = str(task.get("type", "worker")), int(str(task.get("index", 0)))
        if name == CLUSTER_SPEC:
            cluster = {_POOLS[pool]: addresses for pool, addresses in cluster.items()}
            kind = _POOLS.get(kind, kind)
        return {role: _addresses(addresses) for role, addresses in cluster.items()}, kind, index
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(name, text, _CLUSTER, one_line(error)[:200]) from error


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:80]!r} is no object")
    return value


def _addresses(value: Any) -> list[str]:
    # A text alone would be as many workers as it has letters.
    if not isinstance(value, list) or not all(is_text(address) for address in value):
        raise TypeError(f"{str(value)[:80]!r} is no list of addresses")
    return value


def read_region(environ: Mapping[str, str] | None = None) -> str | None:
    """Returns the region of Google Cloud that a container of Vertex AI runs in; None elsewhere.

    Args:
        environ: Where from; the process's own by default.
    """
    return (os.environ if environ is None else environ).get(REGION) or None


@dataclass(frozen=True, slots=True)
class ServingEnvironment:
    """What a serving container is told.

    Attributes:
        model_dir: Where the model is; None where the container has it.
        port: That the server is to listen on.
        predict_route: Path of requests.
        health_route: Path of the question whether the server is ready.
    """

    model_dir: str | None
    port: int
    predict_route: str
    health_route: str


def read_serving(environ: Mapping[str, str] | None = None) -> ServingEnvironment:
    """Reads the variables of a serving container; the defaults are those of TensorFlow Serving for our model's name.

    Args:
        environ: Where from; the process's own by default.

    Raises:
        ConfigError: the port or a route is none.
    """
    environ = os.environ if environ is None else environ
    port = environ.get(HTTP_PORT) or _DEFAULT_PORT
    if not (_PORT.fullmatch(port) and 1 <= int(port) <= 65_535):
        raise ConfigError(HTTP_PORT, port, "a port, from 1 to 65535")
    routes = {PREDICT_ROUTE: DEFAULT_PREDICT_ROUTE, HEALTH_ROUTE: DEFAULT_HEALTH_ROUTE}
    for name, usual in routes.items():
        routes[name] = environ.get(name) or usual
        if not _ROUTE.fullmatch(routes[name]):
            raise ConfigError(name, routes[name], f"the path of a URL, as {usual}")
    return ServingEnvironment(
        model_dir=environ.get(STORAGE_URI) or None,
        port=int(port),
        predict_route=routes[PREDICT_ROUTE],
        health_route=routes[HEALTH_ROUTE],
    )
