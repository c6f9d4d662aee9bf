"""A command as a process of its own: from its first line to an end that nothing holds up and that leaves no trace."""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from etl import errors, interrupts
from etl.errors import PetalstreamError
from etl.process import streams

# In which what runs at a process's exit has run, where a signal ends it.
_EXIT_SECONDS = 2.0


def end_with(main: Callable[[list[str] | None], int]) -> NoReturn:
    """Runs a command's `main` as `errors.run_main` does, and ends the process with its exit code."""
    interrupts.listen()
    streams.guard()

    @functools.wraps(main)
    def run(argv: list[str] | None) -> int:
        try:
            code = main(argv)
        # Of --help.
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else errors.EXIT_OK
        streams.flush()
        return code

    try:
        code = errors.run_main(run)
        # What a command printed before it failed; a second failure says nothing more.
        with suppress(KeyboardInterrupt, PetalstreamError):
            streams.flush()
    except KeyboardInterrupt:
        # Between the command's end and this.
        interrupts.end_at_once()
    if interrupts.received():
        _exit(code)
    sys.exit(code)


def _exit(code: int) -> NoReturn:
    """Ends a process whose threads are in the midst of something: none is waited for."""
    threading.Thread(target=_end_later, args=(code,), daemon=True).start()
    null = os.open(os.devnull, os.O_WRONLY)
    # All is said, and what is cut off may complain.
    os.dup2(null, 1)
    os.dup2(null, 2)
    # They remove temporary files and end children.
    atexit._run_exitfuncs()
    os._exit(code)


def _end_later(code: int) -> None:
    time.sleep(_EXIT_SECONDS)
    os._exit(code)
