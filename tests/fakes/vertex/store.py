"""Resources by name, listed with filters and in pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.vertex.routes import Body, RefusedError

DEFAULT_PAGE_SIZE = 100
_TERM = re.compile(r'\s*(?P<field>[\w.-]+)\s*(?P<operator>!=|>=|<=|=|>|<|:)\s*(?P<value>"[^"]*"|\S+)\s*')


class Store:
    """What there is; names are projects/P/locations/R/COLLECTION/ID, deeper ones too."""

    def __init__(self) -> None:
        self.resources: dict[str, Body] = {}
        self._next = 1

    def new_id(self) -> str:
        """A number that no other resource has, as long as Vertex AI's."""
        self._next += 1
        return str(1_000_000_000_000_000_000 + self._next)

    def time(self) -> str:
        """A later time at each call, so that orders are plain."""
        self._next += 1
        return f"2026-11-21T{10 + self._next // 3600:02d}:{self._next // 60 % 60:02d}:{self._next % 60:02d}Z"

    def add(self, name: str, body: Mapping[str, Any]) -> Body:
        """Adds a resource.

        Raises:
            RefusedError: the name is taken.
        """
        if name in self.resources:
            raise RefusedError(409, f"Resource {name} already exists.")
        time = self.time()
        self.resources[name] = {"name": name, "createTime": time, "updateTime": time, **body}
        return self.resources[name]

    def get(self, name: str) -> Body:
        """Returns a resource itself, to be changed in place.

        Raises:
            RefusedError: there is none.
        """
        if name not in self.resources:
            raise RefusedError(404, f"Resource {name} is not found.")
        return self.resources[name]

    def update(self, name: str, body: Mapping[str, Any], query: Mapping[str, str]) -> Body:
        """Changes the fields that the request's `updateMask` names.

        Raises:
            RefusedError: there is no such resource, or no mask.
        """
        resource = self.get(name)
        mask = query.get("updateMask")
        if not mask:
            raise RefusedError(400, "updateMask is required.")
        for path in mask.split(","):
            key = re.sub(r"_(\w)", lambda match: match[1].upper(), path.split(".")[0])
            if key in body:
                resource[key] = body[key]
            else:
                resource.pop(key, None)
        resource["updateTime"] = self.time()
        return resource

    def delete(self, name: str) -> None:
        """Removes a resource.

        Raises:
            RefusedError: there is none.
        """
        self.get(name)
        del self.resources[name]

    def of(self, parent: str, collection: str) -> list[Body]:
        """All resources right below a parent, the newest first."""
        pattern = re.compile(re.escape(f"{parent}/{collection}/") + "[^/]+")
        found = [body for name, body in self.resources.items() if pattern.fullmatch(name)]
        return sorted(found, key=lambda body: body["createTime"], reverse=True)

    def page(self, parent: str, collection: str, query: Mapping[str, str], field: str | None = None) -> Body:
        """Answers a request to list: `filter`, `pageSize` and `pageToken`.

        Args:
            parent: Above the collection.
            collection: As in names.
            query: The request's.
            field: What the answer calls the list, `collection` if nothing is said.
        """
        found = [body for body in self.of(parent, collection) if matches(body, query.get("filter", ""))]
        start = int(query.get("pageToken") or 0)
        end = start + (int(query.get("pageSize") or 0) or DEFAULT_PAGE_SIZE)
        answer: Body = {field or collection: found[start:end]}
        if end < len(found):
            answer["nextPageToken"] = str(end)
        return answer


def matches(body: Mapping[str, Any], text: str) -> bool:
    """Tells whether a resource passes a filter of terms joined by AND; values are compared as text.

    Raises:
        RefusedError: no such filter.
    """
    return all(_holds(body, *term) for term in _terms(text))


def _terms(text: str) -> Iterator[tuple[str, str, str]]:
    for part in re.split(r"\bAND\b", text) if text.strip() else []:
        term = _TERM.fullmatch(part)
        if term is None:
            raise RefusedError(400, f"Invalid filter: {text}")
        yield term["field"], term["operator"], term["value"].strip('"')


def _holds(body: Mapping[str, Any], path: str, operator: str, value: str) -> bool:
    found: Any = body
    for part in path.split("."):
        key = re.sub(r"_(\w)", lambda match: match[1].upper(), part) if found is body else part
        found = found.get(key) if isinstance(found, Mapping) else None
    if operator == ":":
        return found is not None and (value == "*" or value in str(found))
    have = "" if found is None else str(found)
    if path in ("name", "model", "endpoint") and "/" not in value:
        have = have.rsplit("/", 1)[-1]
    comparisons = {"=": have == value, "!=": have != value, ">": have > value, "<": have < value}
    return comparisons.get(operator, have >= value if operator == ">=" else have <= value)
