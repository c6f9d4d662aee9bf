"""Rolls a model out to an endpoint: version, deployment, traffic, and removal of the replaced versions.

Each step looks first at what is there: a second rollout of the same does nothing, and one after a failure does what is
missing. A step that fails before the new version answers is undone with all that this run created; later steps are not,
since the endpoint answers, and the line says what is left to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError, PetalstreamError
from trainer.vertex.api import naming, registry
from trainer.vertex.api.calls import Call, Session
from trainer.vertex.api.failures import CloudError
from trainer.vertex.api.registry import Container
from trainer.vertex.deployment import endpoints, monitoring, traffic
from trainer.vertex.deployment.artifacts import UNKNOWN_DIGEST, Artifact
from trainer.vertex.deployment.endpoints import Machine, RequestLog
from trainer.vertex.deployment.monitoring import Monitoring

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud

Say = Callable[[str], None]

_AGAIN = "the same command again goes on from there"


@dataclass(frozen=True, slots=True)
class DesiredDeployment:
    """A deployment as the operator wants it.

    Attributes:
        endpoint: Display name, number or resource name.
        model: Display name.
        container: What serves it.
        machine: What on.
        share: Per cent of the traffic that it gets.
        keep_replaced: Whether what has no traffic any more stays deployed.
        aliases: Names for the version, where it is uploaded.
        log: Whether requests and answers are written down.
        monitoring: Whether, and how, the endpoint is watched.
    """

    endpoint: str
    model: str
    container: Container
    machine: Machine
    share: int = traffic.ALL
    keep_replaced: bool = False
    aliases: tuple[str, ...] = ()
    log: RequestLog | None = None
    monitoring: Monitoring | None = None


@dataclass(frozen=True, slots=True)
class DeploymentResult:
    """A deployment as it is after a rollout.

    Attributes:
        endpoint: Resource name.
        deployed_id: Number of the deployed model.
        version: Number of the version.
        share: Per cent of the traffic that it has.
    """

    endpoint: str
    deployed_id: str
    version: str
    share: int


@dataclass(frozen=True, slots=True)
class _Created:
    """A resource that this run created, and the call that deletes it."""

    what: str
    undo: Call


def preview(cloud: Cloud, desired: DesiredDeployment, artifact: Artifact) -> list[Call]:
    """Returns the calls that a rollout makes where there is nothing yet.

    What the service gives numbers to is in capitals; `preview_note` says the rest.
    """
    endpoint, model = f"{cloud.parent}/endpoints/ENDPOINT", f"{cloud.parent}/models/MODEL"
    calls = [
        endpoints.create_call(cloud, desired.endpoint, desired.log),
        registry.upload_call(cloud, desired.model, artifact, desired.container, aliases=desired.aliases),
        endpoints.deploy_call(endpoint, model, "1", desired.model, desired.machine, {traffic.NEW: traffic.ALL}),
    ]
    if desired.monitoring:
        calls.append(monitoring.create_call(cloud, desired.endpoint, endpoint, ["DEPLOYED_MODEL"], desired.monitoring))
    return calls


def preview_note(desired: DesiredDeployment) -> str:
    """Returns, as comments of YAML, what these calls depend on."""
    lines = [
        f"Nobody was asked: these are the requests of a project without the endpoint {desired.endpoint} and the model",
        f"{desired.model}. What is there already is found and kept.",
    ]
    if desired.share != traffic.ALL:
        lines.append(f"Where others answer too, the version gets {desired.share} % (--traffic) and they share")
        lines.append(f"{traffic.ALL - desired.share} %; here are no others, so it gets {traffic.ALL} %.")
    return "".join(f"# {line}\n" for line in lines)


def check(cloud: Cloud, desired: DesiredDeployment) -> None:
    """Checks a desired deployment by building its requests, before any is sent.

    Raises:
        ConfigError: the API's own types don't take one, such as for an accelerator that it doesn't know.
    """
    for call in preview(cloud, desired, Artifact("gs://bucket/model", UNKNOWN_DIGEST)):
        call.to_message()


def roll_out(session: Session, desired: DesiredDeployment, artifact: Artifact, say: Say) -> DeploymentResult:
    """Deploys a model as desired.

    Args:
        session: The connection.
        desired: The deployment that the operator wants.
        artifact: The model.
        say: Takes a line about each step.

    Returns:
        The deployment as it is then.

    Raises:
        ConfigError, CloudError: a step failed; the message says what was undone, or what is left to do.
    """
    created: list[_Created] = []
    try:
        endpoint = _get_endpoint(session, desired, created, say)
        model, version = _get_version(session, desired, artifact, created, say)
        deployed_id = _get_deployed(session, desired, endpoint.name, model, version, say)
    except PetalstreamError as error:
        raise _extend(error, _undo(session, created)) from error
    try:
        endpoint = session.send(endpoints.get_call(endpoint.name))
        _finish(session, desired, endpoint, deployed_id, say)
        if desired.share == traffic.ALL:
            _make_default(session, model, version, say)
        endpoint = session.send(endpoints.get_call(endpoint.name))
        if desired.monitoring:
            say(f"monitoring: {monitoring.ensure(session, endpoint, desired.monitoring)}")
    except PetalstreamError as error:
        raise _extend(error, f"version {version} is deployed as {deployed_id} and answers; {_AGAIN}") from error
    return DeploymentResult(endpoint.name, deployed_id, version, endpoints.get_split(endpoint).get(deployed_id, 0))


def _get_endpoint(session: Session, desired: DesiredDeployment, created: list[_Created], say: Say) -> Any:
    endpoint = endpoints.find(session, "--endpoint", desired.endpoint)
    if endpoint is None:
        endpoint = session.send(endpoints.create_call(session.cloud, desired.endpoint, desired.log))
        created.append(_Created(f"endpoint {desired.endpoint}", endpoints.delete_call(endpoint.name)))
        say(f"endpoint: created {endpoint.name}")
        return endpoint
    say(f"endpoint: found {endpoint.name}")
    if desired.log and not desired.log.matches(endpoint):
        session.send(endpoints.log_call(endpoint.name, desired.log))
        say(f"request log: switched on, {desired.log.table}")
    return endpoint


def _get_version(
    session: Session, desired: DesiredDeployment, artifact: Artifact, created: list[_Created], say: Say
) -> tuple[str, str]:
    model = naming.pick("--model", desired.model, session.fetch(registry.list_call(session.cloud, desired.model)))
    # A list may name the version, which the calls here add themselves.
    name = "" if model is None else str(model.name).partition("@")[0]
    if name:
        found = registry.find_version(session, name, artifact, desired.container)
        if found is not None:
            say(f"model: found version {found.version_id} of {name}")
            return name, str(found.version_id)
    answer = session.send(
        registry.upload_call(
            session.cloud,
            desired.model,
            artifact,
            desired.container,
            parent_model=name,
            aliases=desired.aliases,
        )
    )
    uploaded, version = str(answer.model).partition("@")[0], str(answer.model_version_id)
    undo = registry.delete_call(uploaded, version, is_first=not name)
    created.append(_Created(f"version {version} of model {desired.model}", undo))
    say(f"model: uploaded version {version} of {uploaded}")
    return uploaded, version


def _get_deployed(
    session: Session, desired: DesiredDeployment, endpoint_name: str, model: str, version: str, say: Say
) -> str:
    """Deploys a version, or finds it deployed, and gives it its share; returns the deployed model's number."""
    session.wait_for_others(endpoint_name)
    endpoint = session.send(endpoints.get_call(endpoint_name))
    deployed = endpoints.find_deployed(endpoint, model, version, desired.machine)
    if deployed is None:
        split = endpoints.plan_split(endpoint, traffic.NEW, desired.share)
        say(f"deployment: of version {version} on {desired.machine.machine_type}, begun; it takes 5 to 30 minutes")
        call = endpoints.deploy_call(endpoint_name, model, version, desired.model, desired.machine, split)
        deployed_id = str(session.send(call).deployed_model.id)
        say(f"deployment: version {version} answers as {deployed_id}, {split[traffic.NEW]} % of the traffic")
        return deployed_id
    deployed_id = str(deployed.id)
    if not desired.machine.matches_replicas(deployed):
        session.send(endpoints.resize_call(endpoint_name, deployed_id, desired.machine))
        say(
            f"deployment: {deployed_id} now has {desired.machine.min_replicas} to {desired.machine.max_replicas} copies"
        )
        endpoint = session.send(endpoints.get_call(endpoint_name))
    split = endpoints.plan_split(endpoint, deployed_id, desired.share)
    if split == endpoints.get_split(endpoint):
        say(f"deployment: found version {version} as {deployed_id}, {split[deployed_id]} % of the traffic")
    else:
        session.send(endpoints.split_call(endpoint_name, split, endpoint.etag))
        say(f"deployment: found version {version} as {deployed_id}, traffic now {traffic.show(split)}")
    return deployed_id


def _finish(session: Session, desired: DesiredDeployment, endpoint: Any, deployed_id: str, say: Say) -> None:
    """Undeploys what the new one has replaced."""
    if desired.share != traffic.ALL or desired.keep_replaced:
        return
    split = endpoints.get_split(endpoint)
    for other in endpoint.deployed_models:
        # Whoever has traffic got it from somebody else, after our own change.
        if other.id != deployed_id and not split.get(other.id, 0):
            session.send(endpoints.undeploy_call(endpoint.name, other.id))
            say(f"replaced: undeployed {other.id}, version {endpoints.get_version(other)[1]}")


def _make_default(session: Session, model: str, version: str, say: Say) -> None:
    looking = Call("getModel", {"name": f"{model}@{version}"}, f"looking at version {version}")
    if registry.DEFAULT_ALIAS not in session.send(looking).version_aliases:
        session.send(registry.default_call(model, version))
        say(f"model: version {version} is now the default")


def _undo(session: Session, created: list[_Created]) -> str:
    """Deletes what this run created, the last first; returns the result in words."""
    names = ", ".join(item.what for item in created)
    if session.unsettled is not None:
        there = f", and there is {names}" if created else ""
        return f"it isn't known whether that went through{there}; {_AGAIN}"
    left: list[str] = []
    for item in reversed(created):
        try:
            session.send(item.undo)
        except PetalstreamError as error:
            left.append(f"{item.what} could not be deleted again ({error})")
    if left:
        return f"nothing was deployed; {'; '.join(left)}; {_AGAIN}"
    return f"nothing was deployed; {names} deleted again" if created else f"nothing new was deployed; {_AGAIN}"


def _extend(error: PetalstreamError, text: str) -> PetalstreamError:
    """Returns an error of the same kind that also says what is now."""
    if isinstance(error, ConfigError):
        hint = f"{error.hint}; {text}" if error.hint else text
        return ConfigError(error.field, error.got, error.expected, hint)
    return CloudError(f"{error}; {text}")
