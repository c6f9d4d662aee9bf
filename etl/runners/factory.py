"""Makes Beam's runners by name, each with what it lacks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, WorkerOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from etl.cli import load_tensorflow, say_loading
from etl.runners import portable
from etl.runners.names import IN_PROCESS, PORTABLE

# What is logged after a run has ended, too: that servers are ended, and what Prism still had to say.
_LATE_LOGGERS = ("apache_beam.utils.subprocess_server", portable.PRISM_LOGGER)


def runs_in_threads(name: str | None, options: PipelineOptions) -> bool:
    """Tells whether a runner's workers are threads of this process, which report their progress themselves.

    Args:
        name: Of the runner.
        options: As `make_options` returns them.
    """
    return name in IN_PROCESS or (name in PORTABLE and portable.runs_in_threads(options))


def make_runner(name: str | None, options: PipelineOptions) -> Any:
    """Returns the runner: an object where it is one of ours or needs our care, else the name that Beam knows.

    Args:
        name: Of the runner.
        options: As `make_options` returns them.

    Raises:
        ConfigError: what it has to reach, a scheduler for instance, doesn't answer.
    """
    if name in IN_PROCESS:
        # Not Beam's DirectRunner, which tries to download a runner written in Go.
        return FnApiRunner()
    if name == "DaskRunner":
        # Dask need not be installed for any other.
        from etl.runners import dask

        dask.check(options)
        return _quiet(dask.DaskRunner(), options)
    if name in PORTABLE:
        portable.check_servers(name, options)
        if runs_in_threads(name, options):
            say_loading("tensorflow")
            load_tensorflow()
        return _quiet(portable.make_runner(name), options)
    return name


def _quiet(runner: Any, options: PipelineOptions) -> Any:
    """Has a runner keep its log to itself: a run's progress is shown by us, and its failure is raised.

    With one of Beam's options for how much is logged on the command line, everything shows.
    """
    if options.view_as(WorkerOptions).default_sdk_harness_log_level:
        return runner
    for name in _LATE_LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    threading.excepthook = _log_thread
    start = runner.run_pipeline

    def run_pipeline(pipeline: Any, given: PipelineOptions) -> Any:
        with _hidden_logs():
            result = start(pipeline, given)
        wait = result.wait_until_finish

        def wait_until_finish(duration: int | None = None) -> Any:
            with _hidden_logs():
                return wait(duration)

        result.wait_until_finish = wait_until_finish
        return result

    runner.run_pipeline = run_pipeline
    return runner


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    """Logs what ended a thread, a library's own: gRPC's end with a trace wherever a server does."""
    logging.getLogger(_LATE_LOGGERS[0]).error("a thread ended", exc_info=ended.exc_value)


@contextmanager
def _hidden_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
