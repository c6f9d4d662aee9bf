"""Endpoints, and the models that are deployed to them: the calls, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from trainer.vertex.api import naming
from trainer.vertex.api.calls import Call, Session
from trainer.vertex.deployment import traffic

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud


@dataclass(frozen=True, slots=True)
class Machine:
    """What one copy of a deployed model runs on, and how many there are.

    Attributes:
        machine_type: As Compute Engine names it.
        min_replicas: Copies that always run, 1 or more.
        max_replicas: Copies at most.
        accelerator: Kind of GPU, "" for none.
        num_accelerators: GPUs of a copy.
        service_account: With whose rights the container runs; "" for the service's own.
    """

    machine_type: str
    min_replicas: int = 1
    max_replicas: int = 1
    accelerator: str = ""
    num_accelerators: int = 0
    service_account: str = ""

    def to_spec(self) -> dict[str, Any]:
        """Returns the API's `MachineSpec`."""
        spec: dict[str, Any] = {"machineType": self.machine_type}
        if self.accelerator:
            spec |= {"acceleratorType": self.accelerator, "acceleratorCount": self.num_accelerators}
        return spec

    def matches(self, deployed: Any) -> bool:
        """Tells whether a deployed model runs on this, in whatever number."""
        spec = deployed.dedicated_resources.machine_spec
        accelerator = spec.accelerator_type.name if spec.accelerator_type else ""
        return (spec.machine_type, accelerator, spec.accelerator_count, deployed.service_account) == (
            self.machine_type,
            self.accelerator,
            self.num_accelerators,
            self.service_account,
        )

    def matches_replicas(self, deployed: Any) -> bool:
        """Tells whether a deployed model has this number of copies."""
        resources = deployed.dedicated_resources
        return (resources.min_replica_count, resources.max_replica_count) == (self.min_replicas, self.max_replicas)


@dataclass(frozen=True, slots=True)
class RequestLog:
    """Whether an endpoint writes requests and answers down.

    Attributes:
        table: A BigQuery table, `bq://project.dataset.table`.
        sample_rate: Share of requests that are, above 0 and up to 1.
    """

    table: str
    sample_rate: float

    def to_config(self) -> dict[str, Any]:
        """Returns the API's `PredictRequestResponseLoggingConfig`."""
        return {
            "enabled": True,
            "samplingRate": self.sample_rate,
            "bigqueryDestination": {"outputUri": self.table},
        }

    def matches(self, endpoint: Any) -> bool:
        """Tells whether an endpoint does this already."""
        config = endpoint.predict_request_response_logging_config
        known = (config.enabled, config.sampling_rate, config.bigquery_destination.output_uri)
        return bool(known == (True, self.sample_rate, self.table))


def list_call(cloud: Cloud, name: str) -> Call:
    """Looks for the endpoint of a display name."""
    body = {"parent": cloud.parent, "filter": naming.make_filter(name)}
    return Call("listEndpoints", body, f"looking for the endpoint {name}")


def get_call(name: str) -> Call:
    """Looks at one endpoint."""
    return Call("getEndpoint", {"name": name}, f"looking at endpoint {naming.last(name)}")


def create_call(cloud: Cloud, name: str, log: RequestLog | None) -> Call:
    """Creates an endpoint; empty, it costs nothing."""
    endpoint: dict[str, Any] = {"displayName": name, "labels": dict(naming.LABELS)}
    if log:
        endpoint["predictRequestResponseLoggingConfig"] = log.to_config()
    return Call("createEndpoint", {"parent": cloud.parent, "endpoint": endpoint}, f"creating the endpoint {name}")


def log_call(endpoint: str, log: RequestLog) -> Call:
    """Has an endpoint write requests and answers down."""
    body = {
        "endpoint": {"name": endpoint, "predictRequestResponseLoggingConfig": log.to_config()},
        "updateMask": "predictRequestResponseLoggingConfig",
    }
    return Call("updateEndpoint", body, f"switching on the request log of endpoint {naming.last(endpoint)}")


def delete_call(endpoint: str) -> Call:
    """Deletes an endpoint that has nothing deployed."""
    return Call("deleteEndpoint", {"name": endpoint}, f"deleting endpoint {naming.last(endpoint)} again")


def deploy_call(endpoint: str, model: str, version: str, name: str, machine: Machine, split: Mapping[str, int]) -> Call:
    """Deploys a version; the endpoint's traffic changes once it answers, and not before.

    Args:
        endpoint: Resource name.
        model: Resource name, without a version.
        version: Its number.
        name: Display name.
        machine: What on.
        split: The traffic from then on, the new one as `traffic.NEW`.
    """
    deployed: dict[str, Any] = {
        "model": f"{model}@{version}",
        "displayName": f"{name}-{version}",
        "dedicatedResources": {
            "machineSpec": machine.to_spec(),
            "minReplicaCount": machine.min_replicas,
            "maxReplicaCount": machine.max_replicas,
        },
    }
    if machine.service_account:
        deployed["serviceAccount"] = machine.service_account
    body = {"endpoint": endpoint, "deployedModel": deployed, "trafficSplit": dict(split)}
    return Call("deployModel", body, f"deploying version {version} of {name}")


def resize_call(endpoint: str, deployed_id: str, machine: Machine) -> Call:
    """Changes how many copies of a deployed model there are."""
    resources = {"minReplicaCount": machine.min_replicas, "maxReplicaCount": machine.max_replicas}
    body = {
        "endpoint": endpoint,
        "deployedModel": {"id": deployed_id, "dedicatedResources": resources},
        "updateMask": "dedicatedResources.minReplicaCount,dedicatedResources.maxReplicaCount",
    }
    return Call("mutateDeployedModel", body, f"changing the number of copies of {deployed_id}")


def split_call(endpoint: str, split: Mapping[str, int], etag: str = "") -> Call:
    """Changes an endpoint's traffic, unless somebody else has changed the endpoint meanwhile."""
    changed: dict[str, Any] = {"name": endpoint, "trafficSplit": dict(split)}
    if etag:
        changed["etag"] = etag
    body = {"endpoint": changed, "updateMask": "trafficSplit"}
    return Call("updateEndpoint", body, f"changing the traffic of endpoint {naming.last(endpoint)}")


def undeploy_call(endpoint: str, deployed_id: str) -> Call:
    """Undeploys what has no traffic."""
    body = {"endpoint": endpoint, "deployedModelId": deployed_id}
    return Call("undeployModel", body, f"undeploying {deployed_id}")


def find(session: Session, field: str, name: str) -> Any | None:
    """Finds an endpoint: by its number, its resource name, or its display name and our label.

    Returns:
        It, or None where there is none of that display name.

    Raises:
        ConfigError: several have the display name, or there is none of that number.
    """
    if naming.is_resource(name) or name.isdecimal():
        resource = name if naming.is_resource(name) else f"{session.cloud.parent}/endpoints/{name}"
        return session.send(get_call(resource))
    return naming.pick(field, name, session.fetch(list_call(session.cloud, naming.check(field, name))))


def find_existing(session: Session, field: str, name: str) -> Any:
    """Finds an endpoint as `find` does, and takes no for no answer.

    Raises:
        ConfigError: there is none.
    """
    endpoint = find(session, field, name)
    if endpoint is None:
        hint = "python -m trainer.vertex deploy makes one, python -m trainer.vertex list shows those that there are"
        raise ConfigError(field, name, f"an endpoint of {session.cloud.parent}", hint)
    return endpoint


def find_deployed(endpoint: Any, model: str, version: str, machine: Machine) -> Any | None:
    """Finds among an endpoint's deployed models a version on a machine; None where it isn't there."""
    for deployed in endpoint.deployed_models:
        if get_version(deployed) == (model, version) and machine.matches(deployed):
            return deployed
    return None


def get_version(deployed: Any) -> tuple[str, str]:
    """Returns a deployed model's resource name and version."""
    model, _, version = str(deployed.model).partition("@")
    return model, str(deployed.model_version_id or version)


def get_split(endpoint: Any) -> dict[str, int]:
    """Returns an endpoint's traffic."""
    return {str(key): int(value) for key, value in endpoint.traffic_split.items()}


def find_main(endpoint: Any) -> Any | None:
    """Returns the deployed model that answers most requests; None where there is none."""
    split = get_split(endpoint)
    return max(endpoint.deployed_models, key=lambda item: split.get(item.id, 0), default=None)


def plan_split(endpoint: Any | None, deployed_id: str, share: int) -> dict[str, int]:
    """Returns an endpoint's traffic after a deployed model got a share.

    Raises:
        ConfigError: too many others would have to live on the rest.
    """
    split = get_split(endpoint) if endpoint is not None else {}
    try:
        return traffic.assign_share(split, deployed_id, share)
    except ValueError as error:
        expected = "per cents that leave one to each of the others"
        raise ConfigError("--traffic", share, expected, str(error)) from error
