"""Commands in processes that begin with what takes seconds to import already there: so none of them says what it loads.

The process that forks them runs nothing of TensorFlow's or Beam's itself, and imports nothing of ours.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 400.0

_HEAVY = (
    "tensorflow",
    "keras",
    "apache_beam.options.pipeline_options",
    "apache_beam.runners.portability.fn_api_runner",
    "google.cloud.aiplatform_v1",
    "matplotlib.pyplot",
    "pyarrow.parquet",
)


def load(variables: Mapping[str, str]) -> None:
    """Imports it, once; TensorFlow reads some of the variables as it is imported."""
    if "tensorflow" in sys.modules:
        return
    os.environ.clear()
    os.environ.update(variables)
    for name in _HEAVY:
        importlib.import_module(name)


def run(calls: Sequence[Sequence[str]], folder: Path, work: Path, variables: Mapping[str, str]) -> list[int]:
    """Runs commands in the folder `work`, as many at a time as there are cores; returns their exit codes.

    Args:
        calls: Modules and their arguments.
        folder: Gets what they print: N.out and N.err, by the number of the call.
        work: Where they run.
        variables: Their whole environment.
    """
    running: dict[int, tuple[int, float]] = {}
    codes: dict[int, int] = {}
    for number, words in enumerate(calls):
        if len(running) == (os.cpu_count() or 1):
            _wait(running, codes)
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if not process:
            os._exit(_become(words, folder / f"{number}.out", folder / f"{number}.err", work, variables))
        running[process] = number, time.monotonic() + TIMEOUT_SECONDS
    while running:
        _wait(running, codes)
    return [codes[number] for number in range(len(calls))]


def _wait(running: dict[int, tuple[int, float]], codes: dict[int, int]) -> None:
    """Waits until one of them has ended."""
    while True:
        for process, (number, end) in running.items():
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                codes[number] = os.waitstatus_to_exitcode(status)
                del running[process]
                return
            if time.monotonic() > end:
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _become(words: Sequence[str], out: Path, err: Path, work: Path, variables: Mapping[str, str]) -> int:
    """Runs a module as `python -m` does; returns its exit code."""
    os.setsid()
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(work)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    # Found once a process.
    tempfile.tempdir = None
    sys.argv = list(words)
    code: object = 0
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)
