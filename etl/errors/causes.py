"""The one line that an error of a library comes down to."""

from __future__ import annotations

import re

from etl.words import one_line

# Of a message that a service wrote.
_MAX_CHARACTERS = 600


_TRACE = "Traceback (most recent call last)"


_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b")


def cause(error: BaseException) -> str:
    """Returns what a runner's error comes down to, in one line.

    Args:
        error: A runner's: its text may hold the whole trace of a worker.

    Returns:
        The last line of the trace in it, or all of it where there is none, cut where it is long.
    """
    # gRPC's errors print their whole state.
    details = getattr(error, "details", None)
    text = str(details() or "") if callable(details) else str(error)
    if _TRACE in text:
        return essence(text)
    return essence(f"{type(error).__name__}: {text}" if text.strip() else type(error).__name__)


def essence(text: str) -> str:
    """Returns a message in one line, of a trace the last one that names an exception, cut where it is long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if _TRACE in text:
        # Behind it may stand notes of a runner's.
        text = ([line for line in lines if _RAISED.match(line)] or lines)[-1]
    # A runner's own numbering of a step says nothing to anybody.
    text = re.sub(r"(\[while running '[^']*?)-ptransform-\d+'", r"\1'", one_line(text))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
