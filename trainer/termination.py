"""What a process does that is told to terminate: it takes note, and ends where it can go on from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def terminable() -> Iterator[Callable[[], bool]]:
    """Takes note of SIGTERM, which a preempted machine sends, in place of ending at once.

    Yields:
        Whether it came. Outside of the main thread, which alone may catch signals, it never does.
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        yield told.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
