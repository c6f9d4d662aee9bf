"""The versions of the software on which the bytes of a data set can depend."""

from __future__ import annotations

import platform
from importlib import metadata

import etl

_PACKAGES = ("tensorflow", "pillow", "simplejpeg", "numpy", "apache-beam")


def software() -> dict[str, str]:
    """Returns the versions on which the bytes of a shard can depend."""
    versions = {"petalstream": etl.__version__, "python": platform.python_version(), "machine": platform.machine()}
    return versions | {name: metadata.version(name) for name in _PACKAGES}
