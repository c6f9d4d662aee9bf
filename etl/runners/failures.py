"""Tells in one line why a run failed; the trace goes to a file.

A step's own errors leave their line in the run's folder, since a runner wraps what a worker raised in errors of its
own. Everything else that a runner raises is told by the last line of its trace, which is the cause.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from etl import interrupts, storage
from etl.errors import (
    TRACE_VARIABLE,
    DatasetError,
    LimitError,
    PetalstreamError,
    decode_failure,
    encode_failure,
    find_failure,
    limits,
    translate_limits,
)
from etl.errors.causes import cause
from etl.format.layout import FAILURE_NAME, TRACE_NAME

_KIND = re.compile(r"\b(?:etl|trainer)\.[\w.]*?(\w+Error): ")


class RunError(PetalstreamError):
    """A run that the runner ended, for a reason that no step of ours gave."""


@contextmanager
def translate_errors(failure_path: str, log_dir: str, hint: str = "") -> Iterator[None]:
    """Turns whatever a runner raises into one line.

    Args:
        failure_path: Where a step of ours left its line, if one did.
        log_dir: Folder of the trace; where it isn't on this machine, or is gone, the trace goes to a temporary file.
        hint: What to do next, for the end of a line that no step of ours left.

    Raises:
        DatasetError: a step of ours said what is wrong with the data: another try would say the same.
        RunError: the runner failed otherwise; the line names the file with the trace.
        PetalstreamError: a step of ours said what was wrong; or as raised in the block.
        KeyboardInterrupt: a signal ended the block, of which the runner has made an error of its own.
    """
    shows_traces = bool(os.environ.get(TRACE_VARIABLE))
    logger = logging.getLogger("apache_beam")
    level = logger.level
    if not shows_traces:
        # It logs a worker's whole trace, and raises it too.
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    except RunError as error:
        interrupts.check()
        if shows_traces:
            traceback.print_exception(error)
        # A service tells of a job what its last worker said, among much else.
        failure = _load_failure(failure_path)
        raise (error if failure is None else _final(failure, error)) from None
    except PetalstreamError as error:
        interrupts.check()
        # In this process Beam raises a step's own error anew, with the step's name in the midst of its words.
        raise _add_hint(find_failure(error) or error, hint) from None
    except Exception as error:
        interrupts.check()
        if shows_traces:
            raise
        failure = _load_failure(failure_path) or find_failure(error) or _as_limit(error)
        if failure is not None:
            raise _add_hint(_final(failure, error), hint) from None
        parts = [f"the run failed: {cause(error)}", _write_trace(error, log_dir), hint]
        raise RunError("; ".join(filter(None, parts))) from None
    finally:
        logger.setLevel(level)


@contextmanager
def record_failure(building_dir: str) -> Iterator[None]:
    """Leaves the line of an error of ours in a run's folder, where `translate_errors` finds it, on any runner.

    Raises:
        LimitError: a limit of the machine was met in the block; or as raised there.
    """
    try:
        with translate_limits():
            yield
    except PetalstreamError as error:
        # On a full disk the line has no room either; most runners pass it on too.
        with suppress(PetalstreamError, OSError):
            storage.write_atomically(f"{building_dir}/{FAILURE_NAME}", encode_failure(error))
        raise


def _load_failure(path: str) -> PetalstreamError | None:
    """Returns the error that a step left; None where there is none or the store can't be asked."""
    try:
        return decode_failure(storage.read_bytes(path)) if storage.exists(path) else None
    # The store may be what failed; the runner's error is told then.
    except (PetalstreamError, OSError):
        return None


def _as_limit(error: Exception) -> LimitError | None:
    """Returns a limit that this process itself has met; a runner's text may hold such words for other reasons."""
    line = limits.describe(error) if isinstance(error, OSError | MemoryError) else None
    return None if line is None else LimitError(line)


def _add_hint(failure: PetalstreamError, hint: str) -> PetalstreamError:
    """Adds what to do next to a limit of the machine: once that is out of the way, the run can go on."""
    return LimitError(f"{failure}; {hint}") if isinstance(failure, LimitError) and hint else failure


def _final(failure: PetalstreamError, error: BaseException) -> PetalstreamError:
    """Returns what a step told, as the class that it had in the worker where another try would say the same."""
    kinds = _KIND.findall(str(error))
    return DatasetError(str(failure)) if kinds and kinds[-1] == DatasetError.__name__ else failure


def _write_trace(error: BaseException, folder: str) -> str:
    """Writes an error's trace into a folder, or where there is room; returns where it is."""
    trace = "".join(traceback.format_exception(error))
    folders = [folder] if storage.is_local(folder) and os.path.isdir(folder) else []
    for place in (*folders, tempfile.gettempdir()):
        try:
            if place == folder:
                path = os.path.join(folder, TRACE_NAME)
            else:
                number, path = tempfile.mkstemp(prefix="petalstream-", suffix=f"-{TRACE_NAME}")
                os.close(number)
            with open(path, "w", encoding="utf-8") as file:
                file.write(trace)
        except OSError:
            continue
        return f"the trace is in {path}"
    return f"there is no room for the trace; {TRACE_VARIABLE}=1 shows it"
