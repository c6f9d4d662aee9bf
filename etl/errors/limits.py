"""The limits of the machine in words: no room, no permission, no memory. One table from error numbers to lines."""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from etl.words import one_line

_FULL = "the disk is full; free room there"
_MAY_NOT = "this user has no permission"

# What happened, and what to do about it where that isn't plain.
_WORDS: Mapping[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the quota is used up; free room there, or ask for more",
    errno.EFBIG: "the file is larger than the file system or ulimit -f allows",
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of this path is a file, and no folder",
    errno.EISDIR: "this is a folder, and no file",
    errno.EEXIST: "this is there already",
    errno.ENOTEMPTY: "this folder is not empty",
    errno.ELOOP: "too many symbolic links, or links in a circle",
    errno.EIO: "the disk can't be read or written: it may be failing",
    errno.ESTALE: "the network's file system has lost it; try again",
    errno.ENODEV: "the disk is gone",
    errno.ENXIO: "the disk is gone",
    errno.EBUSY: "another process uses it",
    errno.ENFILE: "the machine has too many open files",
    errno.ENOMEM: "the machine is out of memory",
}
# Those that a message of a library may hold without a number, and that mean nothing else.
_IN_MESSAGES = tuple(number for number in (*_WORDS, errno.EMFILE) if number != errno.EEXIST)
_THREADS = "can't start new thread"
_MEMORY = re.compile(r"\bOOM\b|out of memory|CUDA_ERROR_OUT_OF_MEMORY|failed to allocate", re.IGNORECASE)
# TensorFlow's file systems: the path, then what the system says.
_NAMED = re.compile(r"(\S[^;\n]*); $")


def describe(error: BaseException, memory: str = "") -> str | None:
    """Returns one line about an error that is the machine's and not ours: what was refused, why, and what to do.

    Args:
        error: Of Python, NumPy, SQLite or TensorFlow, which none of them is imported for.
        memory: Options that take less memory, for the end of a line about memory.

    Returns:
        The line; None of any other error.
    """
    kind = type(error)
    if isinstance(error, MemoryError):
        return _out_of_memory(str(error), memory)
    if isinstance(error, OSError) and kind.__module__ == "builtins" and error.errno is not None:
        words = say(error.errno)
        return None if words is None else _join(error.filename2 or error.filename, words)
    library = kind.__module__.partition(".")[0]
    if library == "sqlite3":
        return _of_sqlite(str(error))
    if isinstance(error, RuntimeError) and _THREADS in str(error):
        return f"no more threads can be started (ulimit -u is {_limit(resource.RLIMIT_NPROC)}); end other processes"
    if library == "tensorflow" or isinstance(error, OSError | RuntimeError):
        return _of_a_message(str(error), memory if library == "tensorflow" else None)
    return None


def say(number: int) -> str | None:
    """Returns what an error number means and what to do; None of one that is no limit of the machine."""
    if number == errno.EMFILE:
        return f"too many open files (ulimit -n is {_limit(resource.RLIMIT_NOFILE)}): raise it, as in ulimit -n 4096"
    return _WORDS.get(number)


def reason(error: OSError) -> str:
    """Returns why the system refused, without the path: for a line that names it already."""
    return (say(error.errno) if error.errno is not None else None) or error.strerror or one_line(error)


@contextmanager
def name_file(path: str) -> Iterator[None]:
    """Names the file in an error of the system's that names none, as those of reading and writing do."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = path
        raise


def _of_sqlite(message: str) -> str | None:
    if "full" in message or "disk I/O" in message or "unable to open" in message:
        return f"{tempfile.gettempdir()}: a temporary file can't be written: {message}; free room, or set TMPDIR"
    return None


def _of_a_message(message: str, memory: str | None) -> str | None:
    """Looks for the system's words in a library's."""
    for number in _IN_MESSAGES:
        before, found, _ = message.partition(os.strerror(number))
        if found:
            path = _NAMED.search(before.rpartition("\n")[2])
            return _join(path[1] if path else None, say(number) or found)
    if memory is not None and _MEMORY.search(message):
        return _out_of_memory(message, memory)
    return None


def _out_of_memory(message: str, memory: str) -> str:
    detail = one_line(message.partition("\n")[0])[:200]
    line = f"not enough memory ({detail})" if detail else "not enough memory"
    return f"{line}; {memory}" if memory else line


def _join(path: object, words: str) -> str:
    if path is None or isinstance(path, int):
        return words
    return f"{os.fsdecode(path) if isinstance(path, bytes) else path}: {words}"


def _limit(which: int) -> str:
    soft = resource.getrlimit(which)[0]
    return "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
