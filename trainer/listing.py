"""Images by path: files, folders and patterns, local or on an object store, which TensorFlow reads."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl import paths
from etl.errors import ConfigError, one_line
from trainer.files import is_remote, read_bytes, tensorflow

_WILDCARD = re.compile(r"[*?[]")
# Parts of a pattern, longest first, and what they stand for as a regular expression.
_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]]*\]|.", re.DOTALL)
_MEANINGS = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def list_files(paths: Iterable[str], option: str = "FILE") -> Iterator[str]:
    """Lists files: those given, all in and below a folder, and those that match a pattern.

    Folders and patterns are sorted, follow links and leave hidden names out. A pattern has `*`, `?`, `[...]`, and `**`
    for any depth of folders; a file of just that name comes first. Where nothing matches, the pattern itself is listed,
    so that whoever reads the files says so.

    Args:
        paths: Local ones, or those of an object store, which load TensorFlow.
        option: What named them, for errors.

    Raises:
        ConfigError: a folder holds no files, or can't be read.
    """
    for path in paths:
        num_files = 0
        for file in _list_remote(path) if is_remote(path) else _list_local(path, option):
            num_files += 1
            yield file
        if not num_files:
            raise ConfigError(option, path, "files, folders that hold some, or patterns", "this folder holds none")


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
    tf = tensorflow()
    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise OSError(os.strerror(errno.ENOENT)) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    # A name that can't be written as UTF-8.
    except ValueError as error:
        raise OSError(one_line(error)) from error


def _list_local(path: str, option: str) -> Iterator[str]:
    if os.path.isdir(path):
        yield from _walk_local(path, option)
        return
    matches = []
    if _WILDCARD.search(path) and not os.path.lexists(path):
        matches = [match for match in sorted(glob.iglob(path, recursive=True)) if not os.path.isdir(match)]
    yield from matches or [path]


def _walk_local(folder: str, option: str, above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Lists a folder's files, then those of the folders in it; one that links to a folder around it is left out."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            shown = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(option, folder, "a folder that can be read", error.strerror or str(error)) from error
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    yield from (entry.path for entry in shown if not entry.is_dir())
    for entry in shown:
        if entry.is_dir():
            yield from _walk_local(entry.path, option, (*above, here))


def _list_remote(path: str) -> Iterator[str]:
    tf = tensorflow()
    wildcard = _WILDCARD.search(path)
    if wildcard is None:
        yield from _walk_remote(path.rstrip("/")) if tf.io.gfile.isdir(path) else [path]
        return
    # Not TensorFlow's own `glob`, which knows no `**`, and whose `*` crosses folders on some stores.
    matches = re.compile(translate(path)).fullmatch
    found = [name for name in _walk_remote(path[: wildcard.start()].rpartition("/")[0]) if matches(name)]
    yield from found or [path]


def _walk_remote(folder: str) -> Iterator[str]:
    tf = tensorflow()
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
