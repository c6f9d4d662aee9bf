"""Beam's own options, and its runners by name, for every command line that runs a pipeline."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from etl.cli import Parser, number, unknown_option

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# Names under which a pipeline runs in this process, on all cores.
IN_PROCESS = (None, "DirectRunner")


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
        help=f"{items} worked on at once in each worker process; 0: one a core",
    )
    group.add_argument("--runner", help="name of a Beam runner; without it the job runs in this process")


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
    from apache_beam.options.pipeline_options import PipelineOptions

    beam_parser = Parser(prog=prog, add_help=False)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam_parser)
    _, unknown = beam_parser.parse_known_args(list(arguments))
    if unknown:
        raise unknown_option(unknown[0], [*known, *beam_parser.option_names()], prog)


def make_options(arguments: Sequence[str]) -> PipelineOptions:
    """Returns Beam's own view of a command line."""
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(list(arguments))


def make_runner(name: str | None) -> Any:
    """Returns the runner: ours in the process, or the name that Beam knows."""
    if name not in IN_PROCESS:
        return name
    # Not Beam's DirectRunner, which tries to download a runner written in Go.
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()
