"""One trial in a process of its own: `trainer.task` on its share of the cores, which ends when the tuner does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence

from etl.process import lifecycle


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `trainer.task`.

    Args:
        argv: The cores, as `0,1` (`-` for all), and the arguments of `trainer.task`. Standard input is a pipe from the
            tuner, in which nothing is ever written.
    """
    cores, *arguments = sys.argv[1:] if argv is None else argv
    if cores != "-" and hasattr(os, "sched_setaffinity"):
        # Before anything starts a thread: the trainer counts these, and takes as many threads.
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    threading.Thread(target=_end_with_tuner, daemon=True).start()
    from trainer import task

    return task.main(arguments)


def _end_with_tuner() -> None:
    """Waits until the pipe is closed, as the system does even for a tuner that is killed; then stops the trial."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    lifecycle.end_with(main)
