"""Bringing a model to where it answers: endpoint, version, deployment, traffic, and what is replaced.

Each step looks first at what is there, so that the same wish a second time does nothing, and after a failure what is
missing. A step that fails before the new version answers is undone with all that this run made; afterwards nothing is,
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
class Wish:
    """What shall be.

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
class Outcome:
    """What is.

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
class _Made:
    """Something that this run made: what it is, and the call that takes it away."""

    what: str
    undo: Call


def preview(cloud: Cloud, wish: Wish, artifact: Artifact) -> list[Call]:
    """Returns the calls that a wish leads to where there is nothing yet.

    What the service gives numbers to is in capitals; `preview_note` says the rest.
    """
    endpoint, model = f"{cloud.parent}/endpoints/ENDPOINT", f"{cloud.parent}/models/MODEL"
    calls = [
        endpoints.create_call(cloud, wish.endpoint, wish.log),
        registry.upload_call(cloud, wish.model, artifact, wish.container, aliases=wish.aliases),
        endpoints.deploy_call(endpoint, model, "1", wish.model, wish.machine, {traffic.NEW: traffic.ALL}),
    ]
    if wish.monitoring:
        calls.append(monitoring.create_call(cloud, wish.endpoint, endpoint, ["DEPLOYED_MODEL"], wish.monitoring))
    return calls


def preview_note(wish: Wish) -> str:
    """Returns, as comments of YAML, what these calls depend on."""
    lines = [
        f"Nobody was asked: these are the requests of a project without the endpoint {wish.endpoint} and the model",
        f"{wish.model}. What is there already is found and kept.",
    ]
    if wish.share != traffic.ALL:
        lines.append(f"Where others answer too, the version gets {wish.share} % (--traffic) and they share")
        lines.append(f"{traffic.ALL - wish.share} %; here are no others, so it gets {traffic.ALL} %.")
    return "".join(f"# {line}\n" for line in lines)


def check(cloud: Cloud, wish: Wish) -> None:
    """Checks a wish by making the requests that it leads to, before any is sent.

    Raises:
        ConfigError: the API's own types don't take one, such as for an accelerator that it doesn't know.
    """
    for call in preview(cloud, wish, Artifact("gs://bucket/model", UNKNOWN_DIGEST)):
        call.to_message()


def roll_out(session: Session, wish: Wish, artifact: Artifact, say: Say) -> Outcome:
    """Makes a wish come true.

    Args:
        session: The connection.
        wish: What shall be.
        artifact: The model.
        say: Takes a line about each step.

    Returns:
        What is then.

    Raises:
        ConfigError, CloudError: a step failed; the message says what was undone, or what is left to do.
    """
    made: list[_Made] = []
    try:
        endpoint = _get_endpoint(session, wish, made, say)
        model, version = _get_version(session, wish, artifact, made, say)
        deployed_id = _get_deployed(session, wish, endpoint.name, model, version, say)
    except PetalstreamError as error:
        raise _extend(error, _undo(session, made)) from error
    try:
        endpoint = session.send(endpoints.get_call(endpoint.name))
        _finish(session, wish, endpoint, deployed_id, say)
        if wish.share == traffic.ALL:
            _make_default(session, model, version, say)
        endpoint = session.send(endpoints.get_call(endpoint.name))
        if wish.monitoring:
            say(f"monitoring: {monitoring.ensure(session, endpoint, wish.monitoring)}")
    except PetalstreamError as error:
        raise _extend(error, f"version {version} is deployed as {deployed_id} and answers; {_AGAIN}") from error
    return Outcome(endpoint.name, deployed_id, version, endpoints.get_split(endpoint).get(deployed_id, 0))


def _get_endpoint(session: Session, wish: Wish, made: list[_Made], say: Say) -> Any:
    endpoint = endpoints.find(session, "--endpoint", wish.endpoint)
    if endpoint is None:
        endpoint = session.send(endpoints.create_call(session.cloud, wish.endpoint, wish.log))
        made.append(_Made(f"endpoint {wish.endpoint}", endpoints.delete_call(endpoint.name)))
        say(f"endpoint: created {endpoint.name}")
        return endpoint
    say(f"endpoint: found {endpoint.name}")
    if wish.log and not wish.log.is_that_of(endpoint):
        session.send(endpoints.log_call(endpoint.name, wish.log))
        say(f"request log: switched on, {wish.log.table}")
    return endpoint


def _get_version(session: Session, wish: Wish, artifact: Artifact, made: list[_Made], say: Say) -> tuple[str, str]:
    model = naming.pick("--model", wish.model, session.fetch(registry.list_call(session.cloud, wish.model)))
    # A list may name the version, which the calls here add themselves.
    name = "" if model is None else str(model.name).partition("@")[0]
    if name:
        found = registry.find_version(session, name, artifact, wish.container)
        if found is not None:
            say(f"model: found version {found.version_id} of {name}")
            return name, str(found.version_id)
    answer = session.send(
        registry.upload_call(
            session.cloud,
            wish.model,
            artifact,
            wish.container,
            parent_model=name,
            aliases=wish.aliases,
        )
    )
    uploaded, version = str(answer.model).partition("@")[0], str(answer.model_version_id)
    undo = registry.delete_call(uploaded, version, is_first=not name)
    made.append(_Made(f"version {version} of model {wish.model}", undo))
    say(f"model: uploaded version {version} of {uploaded}")
    return uploaded, version


def _get_deployed(session: Session, wish: Wish, endpoint_name: str, model: str, version: str, say: Say) -> str:
    """Deploys a version, or finds it deployed, and gives it its share; returns the deployed model's number."""
    session.wait_for_others(endpoint_name)
    endpoint = session.send(endpoints.get_call(endpoint_name))
    deployed = endpoints.find_deployed(endpoint, model, version, wish.machine)
    if deployed is None:
        split = endpoints.plan_split(endpoint, traffic.NEW, wish.share)
        say(f"deployment: of version {version} on {wish.machine.machine_type}, begun; it takes 5 to 30 minutes")
        call = endpoints.deploy_call(endpoint_name, model, version, wish.model, wish.machine, split)
        deployed_id = str(session.send(call).deployed_model.id)
        say(f"deployment: version {version} answers as {deployed_id}, {split[traffic.NEW]} % of the traffic")
        return deployed_id
    deployed_id = str(deployed.id)
    if not wish.machine.replicas_are_those_of(deployed):
        session.send(endpoints.resize_call(endpoint_name, deployed_id, wish.machine))
        say(f"deployment: {deployed_id} now has {wish.machine.min_replicas} to {wish.machine.max_replicas} copies")
        endpoint = session.send(endpoints.get_call(endpoint_name))
    split = endpoints.plan_split(endpoint, deployed_id, wish.share)
    if split == endpoints.get_split(endpoint):
        say(f"deployment: found version {version} as {deployed_id}, {split[deployed_id]} % of the traffic")
    else:
        session.send(endpoints.split_call(endpoint_name, split, endpoint.etag))
        say(f"deployment: found version {version} as {deployed_id}, traffic now {traffic.show(split)}")
    return deployed_id


def _finish(session: Session, wish: Wish, endpoint: Any, deployed_id: str, say: Say) -> None:
    """Undeploys what the new one has replaced."""
    if wish.share != traffic.ALL or wish.keep_replaced:
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


def _undo(session: Session, made: list[_Made]) -> str:
    """Takes away what this run made, the last first; returns what became of it, in words."""
    names = ", ".join(item.what for item in made)
    if session.unsettled is not None:
        there = f", and there is {names}" if made else ""
        return f"it isn't known whether that went through{there}; {_AGAIN}"
    left: list[str] = []
    for item in reversed(made):
        try:
            session.send(item.undo)
        except PetalstreamError as error:
            left.append(f"{item.what} could not be deleted again ({error})")
    if left:
        return f"nothing was deployed; {'; '.join(left)}; {_AGAIN}"
    return f"nothing was deployed; {names} deleted again" if made else f"nothing new was deployed; {_AGAIN}"


def _extend(error: PetalstreamError, text: str) -> PetalstreamError:
    """Returns an error of the same kind that also says what is now."""
    if isinstance(error, ConfigError):
        mend = f"{error.mend}; {text}" if error.mend else text
        return ConfigError(error.field, error.got, error.expected, mend)
    return CloudError(f"{error}; {text}")
