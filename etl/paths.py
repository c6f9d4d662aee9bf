"""Paths as operators give them: local ones and `gs://bucket/name`. All else is rejected with an error that names it."""

from __future__ import annotations

import os
import re

from etl.errors import ConfigError

# Schemes of object stores that both packages read and write.
SUPPORTED = {"gs"}
EXPECTED = "a local path or gs://bucket/name"

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_GOOD = re.compile(r"[a-z]+://[^/]+(/.*)?", re.DOTALL)
# Another number of slashes, capitals, no colon: the operator means a bucket, and would get a local folder `gs:`.
_TYPO = re.compile(r"(?:gs|gcs)(?::/*|//+)(.*)", re.IGNORECASE | re.DOTALL)
# What people write for places that aren't this machine's disk.
_ELSEWHERE = re.compile(
    r"(file|https?|ftp|s3[an]?|az|azfs|abfss?|wasbs?|adl|hdfs|webhdfs|viewfs|dbfs|oss|r2):/*(.*)", re.I | re.S
)


def is_remote(path: str) -> bool:
    """Tells whether a path is one on an object store.

    Raises:
        ConfigError: it is on one that is not supported.
    """
    found = _URL.match(path)
    if found is None:
        return False
    if found[1] not in SUPPORTED:
        check("path", path)
    return True


def check(field: str, path: str) -> str:
    """Returns a path that is supported, a `~` in front of a local one expanded.

    Args:
        field: The option that named it, for the message.
        path: As given.

    Raises:
        ConfigError: it isn't, or it is empty, which would stand for the current folder.
    """
    wrong = problem(path) if path.strip() else "it is empty: is a variable not set?"
    if wrong:
        raise ConfigError(field, path, EXPECTED, wrong)
    return path if _URL.match(path) else os.path.expanduser(path)


def problem(path: str, folder: str = "") -> str:
    """Returns why a path is not supported; "" for one that is, and for a local file that only looks otherwise.

    Args:
        path: As given.
        folder: The local one that a relative path starts from; "" for the process's own.
    """
    url = _URL.match(path)
    if url is not None and url[1] in SUPPORTED and _GOOD.fullmatch(path):
        return ""
    typo = _TYPO.match(path)
    if typo is not None and not os.path.exists(os.path.join(folder, path)):
        rest = typo[1].lstrip("/")
        return f"did you mean gs://{rest}?" if rest else "it names no bucket"
    elsewhere = _ELSEWHERE.match(path)
    if url is None and (elsewhere is None or os.path.exists(os.path.join(folder, path))):
        return ""
    scheme = (url or elsewhere or [""])[1]
    if scheme.lower() == "file":
        return f"did you mean /{path.partition(':')[2].lstrip('/')}?"
    return f"{scheme}:// is not supported: copy the files to a local disk or to gs://"


def join(folder: str, *names: str) -> str:
    """Joins path parts with slashes, for local folders and for object stores alike."""
    return "/".join([folder.rstrip("/"), *names])
