"""Beam's runners by name, for every command line that runs a pipeline."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
from collections.abc import Iterable, Sequence
from types import ModuleType

from etl.cli import number, say_loading
from etl.errors import ConfigError
from etl.runners.names import NAMES


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
    if name is None and _load_beam_options().is_runner(text):
        return text
    if name is None:
        near = difflib.get_close_matches(text, NAMES, n=1)
        raise ConfigError("--runner", text, f"one of {', '.join(NAMES)}", f"did you mean {near[0]}?" if near else "")
    if name == "DaskRunner" and importlib.util.find_spec("distributed") is None:
        hint = 'python -m pip install "petalstream[etl,dask]", here and on the workers'
        raise ConfigError(
            "--runner", text, "a runner whose packages are installed, and dask and distributed aren't", hint
        )
    return name


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
    if arguments:
        _load_beam_options().check_arguments(arguments, prog, known)


def _load_beam_options() -> ModuleType:
    say_loading("apache_beam")
    from etl.runners import beam_options

    return beam_options
