"""Limits of this process, lowered for a while, and what a command must say that meets one."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def soft_limit(which: int, value: int) -> Iterator[None]:
    """Lowers a limit of this process; a file that grows over it is refused as one on a full disk is."""
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


def check_line(error: str, *words: str) -> None:
    """Checks that a command said one line of error, with these words in it."""
    assert "Traceback" not in error
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line, line
