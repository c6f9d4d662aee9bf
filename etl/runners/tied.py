"""`python etl/runners/tied.py PROGRAM ARGUMENT...`: runs a program that ends with the process that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Becomes a program, tied to this one's parent where the system knows such a tie: on Linux.

    Args:
        argv: The program's path and its arguments.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
