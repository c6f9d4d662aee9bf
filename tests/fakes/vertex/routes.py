"""The parts of the server: routes, requests, refusals, and the log's lines."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.vertex.server import VertexServer

Body = dict[str, Any]

# HTTP status to the canonical name that goes with it.
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_PARTS = {"parent": r"projects/[^/]+/locations/[^/]+"}


class RefusedError(Exception):
    """An error to answer with.

    Args:
        status: HTTP's number, a key of `STATUSES`.
        message: For the person at the other end.
        canonical: The canonical name, where it isn't the usual one of that number.
    """

    def __init__(self, status: int, message: str, canonical: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.canonical = status, message, canonical or STATUSES[status]


@dataclass(frozen=True)
class Call:
    """One request, as it was logged: the body as the SDK's type has it, enums by name."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Body

    @property
    def short(self) -> str:
        """The method and the path without project, region and numbers: `POST customJobs`, `GET customJobs/*`."""
        path = re.sub(r"^projects/[^/]+/locations/[^/]+/", "", self.path)
        return f"{self.method} {re.sub(r'/[^/:]*[0-9][^/:]*', '/*', path)}"


@dataclass(frozen=True)
class Request:
    """One request on its way to a route.

    Attributes:
        path: Without version, as in resource names.
        params: What the route's braces stand for.
        body: Checked, in camelCase, enums by name; {} for none.
    """

    method: str
    path: str
    query: Mapping[str, str]
    params: Mapping[str, str]
    body: Body = field(default_factory=dict)


Answer = Callable[["VertexServer", Request], Body]


@dataclass(frozen=True)
class Route:
    """Who answers which requests.

    Attributes:
        method: HTTP's.
        path: After the version; `{parent}` stands for projects/P/locations/R, any other `{name}` for one part without
            slash and colon. As `{parent}/models:upload`.
        answer: Takes the server and the request, returns the answer's body; raises `RefusedError`.
        body: The SDK's type of the request's body, of v1 or (`v1beta1.Name`) v1beta1; None where there is none.
    """

    method: str
    path: str
    answer: Answer
    body: str | None = None

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Returns what the braces stand for, None where the route is another."""
        if method != self.method:
            return None
        pattern = re.sub(r"\{(\w+)\}", lambda match: f"(?P<{match[1]}>{_PARTS.get(match[1], '[^/:]+')})", self.path)
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


def normalise(type_name: str, body: Mapping[str, Any], *, what: str = "request") -> Body:
    """Parses a body strictly into the SDK's type, and returns it as a plain dict again.

    Raises:
        RefusedError: an unknown field, or a value that the type doesn't take.
    """
    from google.protobuf import json_format

    version, _, name = type_name.rpartition(".")
    kind = getattr(importlib.import_module(f"google.cloud.aiplatform_{version or 'v1'}"), name)
    try:
        message = json_format.ParseDict(dict(body), kind.pb(kind()), ignore_unknown_fields=False)
    except json_format.ParseError as error:
        raise RefusedError(400, f"Invalid JSON payload in the {what}: {error}") from error
    return dict(json_format.MessageToDict(message))
