"""Beam's own options, and its runners by name, for every command line that runs a pipeline."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl.cli import Parser, load_tensorflow, number, say_loading, unknown_option
from etl.errors import ConfigError
from etl.runners import portable

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# Names under which a pipeline runs in this process, on all cores.
IN_PROCESS = (None, "DirectRunner")
# What is logged after a run has ended, too: that servers are ended, and what Prism still had to say.
_LATE_LOGGERS = ("apache_beam.utils.subprocess_server", portable.PRISM_LOGGER)
NAMES = ("DirectRunner", "DaskRunner", *portable.NAMES, "DataflowRunner")


def add_arguments(group: argparse._ArgumentGroup, items: str) -> None:
    """Adds the options that say where and on how many cores a pipeline runs.

    Args:
        group: Of the command's parser.
        items: What a worker works on several of at once, in the plural.
    """
    group.add_argument(
        "--direct_num_workers",
        type=number("--direct_num_workers", int, minimum=0, what=f"a number of {items}, 0 for one a core"),
        default=0,
        metavar="N",
        help=f"{items} worked on at once in each unit of work, on any runner; 0: one a core of this machine",
    )
    group.add_argument(
        "--runner",
        type=_runner_name,
        metavar="NAME",
        help=f"name of a Beam runner, as {', '.join(NAMES[1:])}; without it the job runs in this process",
    )


def _runner_name(text: str) -> str:
    """Returns a runner's name as it is written here; a class given by its path is left to Beam."""
    if "." in text:
        return text
    known = {name.lower(): name for name in NAMES}
    name = known.get(text.lower()) or known.get(f"{text.lower()}runner")
    if name is None and _knows_beam(text):
        return text
    if name is None:
        near = difflib.get_close_matches(text, NAMES, n=1)
        raise ConfigError("--runner", text, f"one of {', '.join(NAMES)}", f"did you mean {near[0]}?" if near else "")
    if name == "DaskRunner" and importlib.util.find_spec("distributed") is None:
        mend = 'python -m pip install "petalstream[etl,dask]", here and on the workers'
        raise ConfigError(
            "--runner", text, "a runner whose packages are installed, and dask and distributed aren't", mend
        )
    return name


def _knows_beam(text: str) -> bool:
    """Tells whether Beam has a runner of that name too; it takes seconds to ask."""
    say_loading("apache_beam")
    from apache_beam.options.pipeline_options import StandardOptions

    return text.lower() in {path.rpartition(".")[2].lower() for path in StandardOptions.KNOWN_RUNNER_NAMES}


def split_server_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Splits a command line at a bare `--`: behind it is what a runner's own server takes."""
    arguments = list(argv)
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def check_beam_args(arguments: Sequence[str], prog: str, known: Iterable[str]) -> None:
    """Checks what a command's own parser left over; imports Beam only where there is any, which takes seconds.

    Args:
        arguments: What was left over.
        prog: The command's name.
        known: Its own options, for a hint.

    Raises:
        ConfigError: an option that Beam doesn't know either.
    """
    if not arguments:
        return
    say_loading("apache_beam")
    from apache_beam.options.pipeline_options import PipelineOptions

    if any(argument.startswith("--dask_") for argument in arguments):
        _load_dask_options()
    beam_parser = Parser(prog=prog, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam_parser)
    _, unknown = beam_parser.parse_known_args(list(arguments))
    if unknown:
        raise unknown_option(unknown[0], [*known, *beam_parser.option_names()], prog)


def make_options(arguments: Sequence[str], name: str | None) -> PipelineOptions:
    """Returns Beam's own view of a command line, with what a runner needs to be right set where it isn't given.

    Args:
        arguments: Beam's part of the command line.
        name: Of the runner.

    Raises:
        ConfigError: options of the runner's are missing or contradict each other.
    """
    say_loading("apache_beam")
    from apache_beam.options import pipeline_options as beam_options

    if name == "DaskRunner":
        _load_dask_options()
    options = beam_options.PipelineOptions(list(arguments))
    # What is pickled is found by name in our package, and the main module is a command line.
    options.view_as(beam_options.SetupOptions).save_main_session = False
    given = {argument.split("=")[0] for argument in arguments}
    if name == "DaskRunner":
        _set_dask(options, given)
    elif name in portable.NAMES:
        portable.set_options(options, name, given)
    return options


def _load_dask_options() -> None:
    """Has Beam know the options of its Dask runner, which it does only once that is imported."""
    if importlib.util.find_spec("distributed") is not None:
        # Before Dask is imported, for the workers that it starts on this machine too: they complain of its end.
        os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
        importlib.import_module("apache_beam.runners.dask.dask_runner")


def _set_dask(options: PipelineOptions, given: set[str]) -> None:
    from apache_beam.runners.dask.dask_runner import DaskOptions

    if not {"--dask_partition_size", "--dask_npartitions"} & given:
        # Beam's own default puts 128 units into one task: nearly every job would run on one worker.
        options.view_as(DaskOptions).partition_size = 1


def works_here(name: str | None, options: PipelineOptions) -> bool:
    """Tells whether a runner's workers are threads of this process, so that they report their progress themselves.

    Args:
        name: Of the runner.
        options: As `make_options` returns them.
    """
    return name in IN_PROCESS or (name in portable.NAMES and portable.works_here(options))


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
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        return FnApiRunner()
    if name == "DaskRunner":
        from etl.runners import dask as dask_runner

        dask_runner.check(options)
        return _quiet(dask_runner.DaskRunner(), options)
    if name in portable.NAMES:
        portable.check_servers(name, options)
        if works_here(name, options):
            say_loading("tensorflow")
            load_tensorflow()
        return _quiet(portable.make_runner(name), options)
    return name


def _quiet(runner: Any, options: PipelineOptions) -> Any:
    """Has a runner keep its log to itself: a run's progress is shown by us, and its failure is raised.

    With one of Beam's options for how much is logged on the command line, everything shows.
    """
    from apache_beam.options import pipeline_options as beam_options

    if options.view_as(beam_options.WorkerOptions).default_sdk_harness_log_level:
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
