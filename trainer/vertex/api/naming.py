"""Marks this project's resources in a Google Cloud project: by display name and one label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from etl.errors import ConfigError

LABELS: Mapping[str, str] = {"managed_by": "petalstream"}

# What the API takes is wider, but these need no quoting in a filter, a URI or a shell.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:-]{0,126}")
_RESOURCE = re.compile(r"projects/[^/]+/locations/[^/]+/[a-zA-Z]+/[^/@]+(@[^/]+)?")


def check(field: str, name: str) -> str:
    """Returns a display name that is fine.

    Raises:
        ConfigError: it has other characters, or too many.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(field, name, "1 to 127 letters, digits, spaces, dots, dashes and underscores")
    return name


def is_resource(name: str) -> bool:
    """Tells whether a name is a whole one: `projects/P/locations/R/endpoints/1`."""
    return _RESOURCE.fullmatch(name) is not None


def make_filter(name: str) -> str:
    """Returns the expression that finds what has a display name and our label."""
    labels = " AND ".join(f'labels.{key}="{value}"' for key, value in LABELS.items())
    return f'display_name="{name}" AND {labels}'


def pick(field: str, name: str, found: Iterable[Any]) -> Any | None:
    """Picks the one resource that has a display name and our label.

    Args:
        field: The option that the name came with.
        name: Display name.
        found: What the API gave for `make_filter`, or more.

    Returns:
        It, or None where there is none.

    Raises:
        ConfigError: there are several.
    """
    ours = [
        item
        for item in found
        if item.display_name == name and all(item.labels.get(key) == value for key, value in LABELS.items())
    ]
    if len(ours) > 1:
        numbers = ", ".join(last(item.name) for item in ours)
        raise ConfigError(field, name, "a name that only one has", f"give the number of the one you mean: {numbers}")
    return ours[0] if ours else None


def last(name: str) -> str:
    """Returns the last part of a resource's name, its number."""
    return name.rpartition("/")[2]


def to_label(text: str) -> str:
    """Returns what a label may hold of a text: at most 63 lower-case letters, digits, dashes and underscores."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:63]
