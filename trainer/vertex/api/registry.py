"""The model registry: a model of one name, and in it a version for each artifact and container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.environment import DEFAULT_HEALTH_ROUTE, DEFAULT_PREDICT_ROUTE
from trainer.vertex.api import naming
from trainer.vertex.api.calls import Call, Session

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud
    from trainer.vertex.deployment.artifacts import Artifact

# The version that whoever names none gets: here, the one that has all of the endpoint's traffic.
DEFAULT_ALIAS = "default"
# In the names of Google's own images, which have routes of their own.
_PREBUILT = "-docker.pkg.dev/vertex-ai/"


@dataclass(frozen=True, slots=True)
class Container:
    """The container that serves a model.

    Attributes:
        image: Its URI.
        port: Which it listens on; AIP_HTTP_PORT tells it.
        predict_route: Path of predictions; AIP_PREDICT_ROUTE tells it. "" leaves both routes to Vertex AI, for its
            prebuilt images.
        health_route: Path of the health check; AIP_HEALTH_ROUTE tells it.
    """

    image: str
    port: int = 8080
    predict_route: str = DEFAULT_PREDICT_ROUTE
    health_route: str = DEFAULT_HEALTH_ROUTE

    @classmethod
    def of(cls, image: str) -> Container:
        """Returns the container of an image with its usual port and routes, which of Google's own are left to it."""
        return cls(image, predict_route="", health_route="") if is_prebuilt(image) else cls(image)

    def to_spec(self) -> dict[str, Any]:
        """Returns the API's `ModelContainerSpec`."""
        if not self.predict_route:
            return {"imageUri": self.image}
        return {
            "imageUri": self.image,
            "ports": [{"containerPort": self.port}],
            "predictRoute": self.predict_route,
            "healthRoute": self.health_route,
        }

    def matches(self, model: Any) -> bool:
        """Tells whether a registered model is served by this one."""
        spec = model.container_spec
        routes = (spec.predict_route, spec.health_route) if self.predict_route else ("", "")
        ports = [port.container_port for port in spec.ports] if self.predict_route else [self.port]
        wanted = (self.predict_route, self.health_route) if self.predict_route else ("", "")
        return spec.image_uri == self.image and routes == wanted and ports == [self.port]


def is_prebuilt(image: str) -> bool:
    """Tells whether an image is one of Google's own."""
    return _PREBUILT in image


def list_call(cloud: Cloud, name: str) -> Call:
    """Looks for the model of a display name."""
    body = {"parent": cloud.parent, "filter": naming.make_filter(name)}
    return Call("listModels", body, f"looking for the model {name}")


def versions_call(model: str) -> Call:
    """Lists the versions of a model."""
    return Call("listModelVersions", {"name": model}, f"listing the versions of model {naming.last(model)}")


def upload_call(
    cloud: Cloud,
    name: str,
    artifact: Artifact,
    container: Container,
    *,
    parent_model: str = "",
    aliases: tuple[str, ...] = (),
) -> Call:
    """Uploads an artifact as a model, or as a new version of one.

    Args:
        cloud: Project and region.
        name: Display name.
        artifact: The SavedModel in its bucket.
        container: What serves it.
        parent_model: The model's resource name, where there is one already.
        aliases: Names for the version.
    """
    model: dict[str, Any] = {
        "displayName": name,
        "artifactUri": artifact.uri,
        "containerSpec": container.to_spec(),
        "versionDescription": artifact.describe(),
        "labels": {**naming.LABELS, **artifact.labels()},
    }
    if aliases:
        model["versionAliases"] = list(aliases)
    body: dict[str, Any] = {"parent": cloud.parent}
    if parent_model:
        body["parentModel"] = parent_model
    body["model"] = model
    return Call("uploadModel", body, f"uploading a version of model {name}")


def default_call(model: str, version: str) -> Call:
    """Makes a version the model's default."""
    body = {"name": f"{model}@{version}", "versionAliases": [DEFAULT_ALIAS]}
    return Call("mergeVersionAliases", body, f"making version {version} the default")


def delete_call(model: str, version: str, *, is_first: bool) -> Call:
    """Takes a version, or with its first one the whole model, out of the registry; the artifact stays."""
    if is_first:
        return Call("deleteModel", {"name": model}, f"deleting model {naming.last(model)}")
    return Call("deleteModelVersion", {"name": f"{model}@{version}"}, f"deleting version {version} again")


def find_version(session: Session, model: str, artifact: Artifact, container: Container) -> Any | None:
    """Finds the newest version of a model that is this artifact in this container; None where there is none."""
    versions = session.fetch(versions_call(model))
    same = [item for item in versions if artifact.matches(item) and container.matches(item)]
    return max(same, key=lambda item: int(item.version_id or 0), default=None)
