"""Releases of a library, compared: a model that a newer one wrote may not be read by an older one."""

from __future__ import annotations

import re


def release(version: str) -> tuple[int, ...]:
    """Returns a version's major and minor number; () of a text that is no version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()
