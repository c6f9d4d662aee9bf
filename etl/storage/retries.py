"""One line when a service fails and is asked again, however many requests fail with it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from etl.cli import note

# A spell of failures is over when none came for so long; tries are 20 s apart at most.
_SPELL_SECONDS = 60.0

_lock = threading.Lock()
_last_failures: dict[str, float] = {}


def announce_retry(place: str, reason: str, deadline: float, limit: str = "") -> None:
    """Prints at the first failure of a spell that the request is made again, why, and until when.

    Any number of threads may call it.

    Args:
        place: What fails: a bucket, a service. Each has spells of its own.
        reason: Why, for a person.
        deadline: Until when it is tried, by `time.monotonic`.
        limit: What sets that, for a person.
    """
    now = time.monotonic()
    with _lock:
        is_new = now - _last_failures.get(place, -math.inf) > _SPELL_SECONDS
        _last_failures[place] = now
    if is_new:
        until = datetime.now() + timedelta(seconds=deadline - now)
        note(f"{place}: {reason}; trying again until {until:%H:%M:%S}{limit and f' ({limit})'}")


@contextmanager
def announce_wait(seconds: float, line: str) -> Iterator[None]:
    """Prints one line where the block takes long, as a library's does that tries again without a word.

    Args:
        seconds: How long it may take before.
        line: What is waited for.
    """
    timer = threading.Timer(seconds, note, (line,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def network_reason(error: BaseException) -> str:
    """Returns what the system said when a server could not be reached; "" where an error is none of that kind."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, OSError) and found.strerror and found.errno is not None:
            return found.strerror
        # Libraries keep what they wrap as a reason, as an argument, or as the cause.
        inner = [getattr(found, "reason", None), *found.args, found.__cause__, found.__context__]
        found = next((each for each in inner if isinstance(each, BaseException)), None)
    return ""
