"""The kinds of resources that can be listed and looked at, and how the API calls what belongs to each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl.errors import ConfigError
from trainer.vertex.api import clients
from trainer.vertex.api.calls import Call
from trainer.vertex.api.failures import translate_errors
from trainer.vertex.api.options import Cloud

_CONSOLE = "https://console.cloud.google.com/agent-platform"
_NAME = re.compile(r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/(?P<collection>\w+)/(?P<id>[^/]+)")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource.

    Attributes:
        collection: As in names: `customJobs`.
        service: Of the API, as `clients.make` takes it.
        method: What follows `get_` in the SDK's method.
        plural: What follows `list_`.
        what: For a person.
        page: Of the console, in which `{id}` and `{region}` stand for the resource's.
    """

    collection: str
    service: str
    method: str
    plural: str
    what: str
    page: str

    @property
    def is_job(self) -> bool:
        """Whether it ends by itself, and has a state."""
        return self.collection in _JOBS

    def get(self, name: str, cloud: Cloud) -> Any:
        """Fetches one, by its full name.

        Raises:
            ConfigError: there is none, or no permission.
            CloudError: the call failed.
        """
        call = self.get_call(name)
        with translate_errors(call.what, cloud):
            return getattr(clients.make(self.service, cloud), f"get_{self.method}")(request=call.to_message())

    def get_call(self, name: str) -> Call:
        """Fetches one, by its full name."""
        what = f"looking at {self.what} {name.rsplit('/', 1)[-1]}"
        return Call(f"get{self.method.title().replace('_', '')}", {"name": name}, what)

    def find(self, cloud: Cloud, filter_text: str = "", *, page_size: int | None = None) -> Iterator[Any]:
        """Lists what there is, all pages one after the other, each fetched when it is needed.

        Args:
            cloud: Where.
            filter_text: In the API's language, as `state="JOB_STATE_FAILED"`; "" for all.
            page_size: Of a page; None for the API's own.
        """
        call = self.list_call(cloud, filter_text, page_size=page_size)
        with translate_errors(call.what, cloud):
            yield from getattr(clients.make(self.service, cloud), f"list_{self.plural}")(request=call.to_message())

    def list_call(self, cloud: Cloud, filter_text: str = "", *, page_size: int | None = None) -> Call:
        """Lists what there is, the first page; see `find`."""
        body: dict[str, Any] = {"parent": cloud.parent, "filter": filter_text}
        if page_size is not None:
            body["pageSize"] = page_size
        return Call(f"list{self.plural.title().replace('_', '')}", body, f"listing {self.what}s")

    def url(self, name: str) -> str:
        """Returns the console's page of a resource."""
        parts = _NAME.match(name)
        if parts is None:
            return _CONSOLE
        page = self.page.format(region=parts["region"], id=parts["id"])
        return f"{_CONSOLE}/{page}?project={parts['project']}"


_JOBS = {"customJobs", "hyperparameterTuningJobs", "trainingPipelines", "batchPredictionJobs"}
_TRAINING = "locations/{region}/training/{id}"

# What the command line calls them.
KINDS: Mapping[str, Kind] = {
    "jobs": Kind("customJobs", "job", "custom_job", "custom_jobs", "training job", _TRAINING),
    "tuning": Kind(
        "hyperparameterTuningJobs",
        "job",
        "hyperparameter_tuning_job",
        "hyperparameter_tuning_jobs",
        "tuning job",
        _TRAINING,
    ),
    "pipelines": Kind(
        "trainingPipelines", "pipeline", "training_pipeline", "training_pipelines", "training pipeline", _TRAINING
    ),
    "batch": Kind(
        "batchPredictionJobs",
        "job",
        "batch_prediction_job",
        "batch_prediction_jobs",
        "batch prediction job",
        "locations/{region}/batch-predictions/{id}",
    ),
    "models": Kind("models", "model", "model", "models", "model", "models/locations/{region}/models/{id}"),
    "endpoints": Kind(
        "endpoints",
        "endpoint",
        "endpoint",
        "endpoints",
        "endpoint",
        "online-prediction/locations/{region}/endpoints/{id}",
    ),
    "datasets": Kind("datasets", "dataset", "dataset", "datasets", "data set", "locations/{region}/datasets/{id}"),
    "tensorboards": Kind(
        "tensorboards",
        "tensorboard",
        "tensorboard",
        "tensorboards",
        "TensorBoard instance",
        "experiments/locations/{region}/tensorboard-instances/{id}",
    ),
}
BY_COLLECTION: Mapping[str, Kind] = {kind.collection: kind for kind in KINDS.values()}


def kind_of(name: str) -> Kind | None:
    """Returns the kind of a resource's name, whole or from its collection on; None where it names none."""
    parts = name.split("/")
    return next((BY_COLLECTION[part] for part in reversed(parts[:-1]) if part in BY_COLLECTION), None)


def require(field: str, name: str, kinds: tuple[str, ...], cloud: Cloud) -> tuple[Kind, str]:
    """Returns the kind and the full name of what the operator means.

    Args:
        field: The option, for messages.
        name: A full name, `collection/id`, or an id alone, which then is of the first kind.
        kinds: Which are accepted, keys of `KINDS`.
        cloud: Where.

    Raises:
        ConfigError: it names something else.
    """
    accepted = [KINDS[kind] for kind in kinds]
    kind = kind_of(name) or accepted[0]
    if kind not in accepted:
        raise ConfigError(field, name, f"the name of a {' or a '.join(one.what for one in accepted)}")
    return kind, cloud.name(kind.collection, name)
