"""Beam's own options: which there are, and what a runner needs of them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from types import ModuleType

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions

from etl.cli import Parser, unknown_option
from etl.runners import portable
from etl.runners.names import PORTABLE


def is_runner(name: str) -> bool:
    """Tells whether Beam itself has a runner of that name, in letters of any case."""
    return name.lower() in {path.rpartition(".")[2].lower() for path in StandardOptions.KNOWN_RUNNER_NAMES}


def check_arguments(arguments: Sequence[str], prog: str, known: Iterable[str]) -> None:
    """Checks that Beam knows all that a command's own parser left over.

    Args:
        arguments: What was left over.
        prog: The command's name.
        known: Its own options, for a hint.

    Raises:
        ConfigError: an option that Beam doesn't know either.
    """
    if any(argument.startswith("--dask_") for argument in arguments):
        _load_dask()
    parser = Parser(prog=prog, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise unknown_option(unknown[0], [*known, *parser.option_names()], prog)


def make_options(arguments: Sequence[str], name: str | None) -> PipelineOptions:
    """Returns Beam's own view of a command line, with what a runner needs to be right set where it isn't given.

    Args:
        arguments: Beam's part of the command line.
        name: Of the runner.

    Raises:
        ConfigError: options of the runner's are missing or contradict each other.
    """
    dask = _load_dask() if name == "DaskRunner" else None
    options = PipelineOptions(list(arguments))
    # What is pickled is found by name in our package, and the main module is a command line.
    options.view_as(SetupOptions).save_main_session = False
    given = {argument.split("=")[0] for argument in arguments}
    if dask is not None:
        dask.set_options(options, given)
    elif name in PORTABLE:
        portable.set_options(options, name, given)
    return options


def _load_dask() -> ModuleType | None:
    """Loads Beam's Dask runner where Dask is installed; only then Beam knows the options of that runner."""
    if importlib.util.find_spec("distributed") is None:
        return None
    # Before Dask is imported, for the workers that it starts on this machine too: they complain of its end.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    from etl.runners import dask

    return dask
