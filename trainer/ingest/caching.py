"""Caches of what is read: in memory, or in files that several readers fill and share.

TensorFlow writes a file cache under one name, and ends where it finds another writer's files, alive or dead. So each
iteration that fills a cache does so under a name of its own; the index, which TensorFlow writes last, says that one is
complete, and whoever comes later reads that. A process locks a file for as long as it lives: what a dead one has left
unfinished is deleted. On object stores, which know no locks, it stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import posixpath
import re
import threading
import uuid

import tensorflow as tf

from etl.errors import ConfigError, one_line
from trainer.files import is_remote
from trainer.ingest import epochs
from trainer.ingest.plan import Plan

# What is cached, the process that filled it, and how often that began; behind it what TensorFlow appends.
_FILE = re.compile(r"(?P<prefix>.+\.(?P<writer>[0-9a-f]{32})\.\d+)(?P<rest>[._].+)")
_INDEX = ".index"
_LOCK = re.compile(r"\.(?P<writer>[0-9a-f]{32})\.lock")


def cache(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Puts a cache behind a data set: where a plan says, in memory or in files.

    Raises:
        ConfigError: the cache's folder can't be written.
    """
    if not plan.cache_path:
        return dataset.cache()
    folder, name = posixpath.split(plan.cache_path)
    try:
        tf.io.gfile.makedirs(folder)
    except (OSError, tf.errors.OpError) as error:
        reason = one_line(error)[:200]
        raise ConfigError("cache_dir", plan.config.cache_dir, "a folder that can be written", reason) from error
    paths = epochs.call(lambda: _choose(folder, name).encode(), tf.string)
    return paths.flat_map(tf.autograph.experimental.do_not_convert(lambda path: dataset.cache(path)))


def _choose(folder: str, name: str) -> str:
    """Returns the complete cache of that name, or a new one to fill; deletes what dead processes left."""
    files = tf.io.gfile.listdir(folder)
    prefixes = [match["prefix"] for match in map(_FILE.fullmatch, files) if match and match["rest"] == _INDEX]
    if not is_remote(folder):
        _clean(folder, files, set(prefixes))
    complete = sorted(prefix for prefix in prefixes if prefix.startswith(f"{name}."))
    if complete:
        return posixpath.join(folder, complete[0])
    return posixpath.join(folder, f"{name}.{_token(folder, os.getpid())}.{next(_number)}")


# Of the caches that this process has begun to fill.
_number = itertools.count()
_tokens: dict[tuple[str, int], str] = {}
_guard = threading.Lock()


def _token(folder: str, process: int) -> str:
    """Returns this process's name in a folder, which it locks there until it ends."""
    with _guard:
        place = (os.path.realpath(folder), process)
        if place not in _tokens:
            token = uuid.uuid4().hex
            if not is_remote(folder):
                _take(_lock_path(folder, token))
            _tokens[place] = token
        return _tokens[place]


def _lock_path(folder: str, writer: str) -> str:
    return os.path.join(folder, f".{writer}.lock")


def _take(path: str) -> None:
    """Makes a file and locks it for as long as the process lives."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return
        # Another process took it for a dead one's, between our making and our locking it.
        os.close(descriptor)


def _clean(folder: str, files: list[str], complete: set[str]) -> None:
    """Deletes what processes that live no more have left unfinished, and their locks."""
    found = [match for match in map(_FILE.fullmatch, files) if match]
    locks = [match for match in map(_LOCK.fullmatch, files) if match]
    dead = {writer for writer in {match["writer"] for match in [*found, *locks]} if _is_dead(folder, writer)}
    for match in found:
        if match["writer"] in dead and match["prefix"] not in complete:
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, match.string))
    for writer in dead:
        with contextlib.suppress(FileNotFoundError):
            os.remove(_lock_path(folder, writer))


def _is_dead(folder: str, writer: str) -> bool:
    try:
        descriptor = os.open(_lock_path(folder, writer), os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
