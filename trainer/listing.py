"""Photographs by path: files, folders and patterns, local or on an object store, which TensorFlow reads."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl import paths
from etl.errors import one_line
from trainer.files import is_remote, read_bytes

_WILDCARD = re.compile(r"[*?[]")
# Parts of a pattern, longest first, and what they stand for as a regular expression.
_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]]*\]|.", re.DOTALL)
_MEANINGS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def list_files(paths: Iterable[str]) -> Iterator[str]:
    """Lists files: those given, all in and below a folder, and those that match a pattern.

    Folders and patterns are sorted and leave hidden names out. A pattern has `*`, `?`, `[...]`, and `**` for any depth
    of folders; a file of just that name comes first. Where nothing matches, the pattern itself is listed, so that
    whoever reads the files says so.

    Args:
        paths: Local ones, or those of an object store, which load TensorFlow.
    """
    for path in paths:
        yield from _list_remote(path) if is_remote(path) else _list_local(path)


def read_file(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        OSError: it can't be had; the message says why and doesn't repeat the path.
    """
    if problem := paths.problem(path):
        raise OSError(problem)
    if not is_remote(path):
        try:
            return Path(path).read_bytes()
        # ValueError: a name with a zero byte in it.
        except (OSError, ValueError) as error:
            raise OSError(getattr(error, "strerror", None) or str(error)) from error
    import tensorflow as tf

    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise OSError(os.strerror(errno.ENOENT)) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    # A name that can't be written as UTF-8.
    except ValueError as error:
        raise OSError(one_line(error)) from error


def _list_local(path: str) -> Iterator[str]:
    if os.path.isdir(path):
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (os.path.join(folder, name) for name in sorted(files) if not name.startswith("."))
        return
    matches = []
    if _WILDCARD.search(path) and not os.path.lexists(path):
        matches = [match for match in sorted(glob.iglob(path, recursive=True)) if not os.path.isdir(match)]
    yield from matches or [path]


def _list_remote(path: str) -> Iterator[str]:
    import tensorflow as tf

    wildcard = _WILDCARD.search(path)
    if wildcard is None:
        yield from _walk_remote(path.rstrip("/")) if tf.io.gfile.isdir(path) else [path]
        return
    # Not TensorFlow's own `glob`, which knows no `**`, and whose `*` crosses folders on some stores.
    matches = re.compile(translate(path)).fullmatch
    found = [name for name in _walk_remote(path[: wildcard.start()].rpartition("/")[0]) if matches(name)]
    yield from found or [path]


def _walk_remote(folder: str) -> Iterator[str]:
    import tensorflow as tf

    for parent, _, files in tf.io.gfile.walk(folder):
        if any(part.startswith(".") for part in parent[len(folder) :].split("/")):
            continue
        yield from (f"{parent.rstrip('/')}/{name}" for name in sorted(files) if not name.startswith("."))


def translate(pattern: str) -> str:
    """Returns the regular expression of a pattern, for `re.fullmatch`."""
    parts = []
    for token in _TOKENS.findall(pattern):
        if token in _MEANINGS:
            parts.append(_MEANINGS[token])
        elif len(token) > 1:
            negation = "^/" if token[1] == "!" else ""
            characters = token[1 + bool(negation) : -1].replace("\\", r"\\").replace("^", r"\^").replace("]", r"\]")
            parts.append(f"[{negation}{characters}]")
        else:
            parts.append(re.escape(token))
    return "".join(parts)
