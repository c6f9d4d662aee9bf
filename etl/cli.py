"""The base of every command line of the project: parsing that ends in one clear line, and a quiet console."""

from __future__ import annotations

import argparse
import difflib
import functools
import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from etl import interrupts, paths
from etl.errors import ConfigError
from etl.words import on_one_line, one_line

if TYPE_CHECKING:
    from rich.console import Console

# The largest side accepted; 16,384 squared already is 800 MB as uint8.
_MAX_SIDE = 16_384

_DIGITS = re.compile("[0-9]{1,18}")

# Tables are wider than the 80 columns that rich assumes of a file.
_FILE_COLUMNS = 120

# Packages that take seconds to import, as a person calls them.
_HEAVY = {
    "apache_beam": "Apache Beam",
    "tensorflow": "TensorFlow",
    "google.cloud.aiplatform_v1": "Vertex AI's client library",
}
# Those that `say_loading` has named in this process.
_named: set[str] = set()
_importing = threading.Lock()


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `ConfigError` instead of printing its usage and exiting."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raises `ConfigError` from argparse's own message."""
        missing = re.fullmatch(r"the following arguments are required: (.+)", message)
        if missing:
            # Of an option with two names the first.
            name = re.sub(r"/-[^\s,]+", "", missing[1])
            raise ConfigError(name, None, "a value", f"see python -m {self.prog} --help")
        invalid = re.fullmatch(r"argument (\S+): invalid choice: '?([^']*?)'? \(choose from (.+)\)", message)
        if invalid:
            name, got, choices = invalid.groups()
            raise ConfigError(name, got, f"one of {choices}")
        argument = re.fullmatch(r"argument ([^:]+): (.+)", message)
        if argument:
            expected = argument[2].replace("expected one argument", "a value")
            raise ConfigError(
                argument[1], None, expected.replace("expected at least one argument", "one or more values")
            )
        unknown = re.fullmatch(r"unrecognized arguments: (.+)", message)
        if unknown:
            raise unknown_option(unknown[1].split()[0], self.option_names(), self.prog)
        raise ConfigError(self.prog, None, message)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parses as argparse does, and takes a value that begins with one dash for a value, where one is expected."""
        return super().parse_known_args(self._joined(sys.argv[1:] if args is None else args), namespace)

    def _joined(self, args: Sequence[str]) -> list[str]:
        """Joins an option and its value by `=` where argparse would take the value for an option of its own."""
        joined: list[str] = []
        is_open = True
        for argument in args:
            is_open = is_open and argument != "--"
            action = self._option_string_actions.get(joined[-1]) if joined and is_open else None
            is_like_an_option = re.match("-[^-]", argument) and argument not in self._option_string_actions
            if action is not None and action.nargs is None and is_like_an_option:
                joined[-1] += f"={argument}"
            else:
                joined.append(argument)
        return joined

    def option_names(self) -> list[str]:
        """Returns all long option names that this parser knows."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, and keeps the epilogue's lines."""


def unknown_option(option: str, known: Iterable[str], prog: str) -> ConfigError:
    """Makes the error for an option that nobody knows, with the nearest known name."""
    name = option.split("=")[0]
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"see python -m {prog} --help"
    return ConfigError(name, option, "an option that exists", hint)


def number(
    field: str, kind: type[int] | type[float], *, minimum: float | None = None, maximum: float | None = None, what: str
) -> Callable[[str], int | float]:
    """Makes an argparse `type` for a number in a closed range.

    Args:
        field: The option's name, for the message.
        kind: `int` or `float`.
        minimum: Smallest value accepted, None for no bound.
        maximum: Largest value accepted, None for no bound.
        what: What is expected, in words, with the unit.

    Returns:
        A function from text to number that raises `ConfigError`.
    """

    def parse(text: str) -> int | float:
        try:
            value = to_whole(text) if kind is int else kind(text)
        except ValueError:
            raise ConfigError(field, text, what) from None
        if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
            raise ConfigError(field, text, what)
        return value

    return parse


def path(field: str) -> Callable[[str], str]:
    """Makes an argparse `type` for a path, local or on an object store that is supported.

    Args:
        field: The option's name, for the message.

    Returns:
        A function from text to the path, see `paths.check`, that raises `ConfigError`.
    """
    return functools.partial(paths.check, field)


def local_path(field: str) -> Callable[[str], str]:
    """Makes an argparse `type` for a path on this machine; raises `ConfigError` for any other."""

    def parse(text: str) -> str:
        path = paths.check(field, text)
        if paths.is_remote(path):
            raise ConfigError(field, text, "a local path")
        return path

    return parse


def seconds_of(variable: str, default: float) -> float:
    """Returns the seconds that an environment variable sets.

    Args:
        variable: Its name.
        default: Where it is unset or empty.

    Raises:
        ConfigError: it holds no number of seconds above 0.
    """
    text = os.environ.get(variable, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ConfigError(variable, text, "a number of seconds above 0")
    return seconds


def to_whole(text: str) -> int:
    """Reads a whole number, also one that is written as 64.0: tuning services keep lists of numbers as floats.

    Raises:
        ValueError: it is none.
    """
    whole, point, rest = text.partition(".")
    return int(whole if point and rest and not rest.strip("0") else text)


def is_digits(text: str) -> bool:
    """Tells whether a text is a whole number from 0, in digits from 0 to 9, and of a size that is of use."""
    return _DIGITS.fullmatch(text) is not None


def parse_size(text: str) -> tuple[int, int]:
    """Parses `--image_size`: `224` is square, `224x320` is height by width.

    Raises:
        ConfigError: not one or two whole numbers of pixels.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(is_digits(side) and 1 <= int(side) <= _MAX_SIDE for side in sides):
        raise ConfigError(
            "--image_size", text, f"whole pixels from 1 to {_MAX_SIDE}, as 224 or (height x width) 224x320"
        )
    return int(sides[0]), int(sides[-1])


def console(*, stderr: bool = False) -> Console:
    """Returns a console that shows names as they are, wide enough for a table where that is a file.

    Args:
        stderr: Whether it is on standard error, not on standard output.
    """
    from etl.process.terminal import PlainConsole

    stream = sys.stderr if stderr else sys.stdout
    return PlainConsole(stderr=stderr, width=None if stream.isatty() else _FILE_COLUMNS)


def note(line: str) -> None:
    """Prints one line about what goes on, on standard error."""
    print(one_line(line), file=sys.stderr, flush=True)


def show_line(line: object) -> None:
    """Prints one line on standard output: a path, mostly, alone so that it can be copied."""
    print(on_one_line(str(line)), flush=True)


def say_loading(*packages: str) -> None:
    """Prints one line that names the packages that are about to be imported: each once, and none that is there already.

    A command calls it when all is checked that can be checked without them.

    Args:
        packages: Names of modules that take seconds, from `_HEAVY`.
    """
    new = [package for package in packages if package not in _named and package not in sys.modules]
    _named.update(new)
    if new:
        note(f"loading {' and '.join(_HEAVY[package] for package in new)}")


def load_tensorflow() -> None:
    """Imports TensorFlow without the page of notices that it prints at import and at its first operation.

    What it finds wrong with an image, which it also prints, is raised and ends in `rejected.jsonl`. With
    TF_CPP_MIN_LOG_LEVEL=0 everything shows.
    """
    import_tensorflow()
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        return
    with quiet_stderr(), interrupts.loading():
        import tensorflow as tf

        tf.config.list_logical_devices()


def import_tensorflow() -> None:
    """Imports TensorFlow as quietly, and leaves it to be configured: `load_tensorflow` starts it."""
    # Threads may come here together, and only one at a time may hold back standard error.
    with _importing:
        if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0" or "tensorflow" in sys.modules:
            return
        with quiet_stderr(), interrupts.loading():
            import tensorflow  # noqa: F401


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keeps what is written to file descriptor 2, from C++ too, and shows it only if the block fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            # Where a signal cut the block short, it says nothing of any use.
            if not interrupts.received():
                kept.seek(0)
                os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
