"""The kinds of failure: the operator's mistake, a bad record, a bad data set, a store that fails.

Everything else is a bug of ours and propagates with its stack trace.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from etl import interrupts
from etl.errors import limits, reasons
from etl.errors.extras import extra_for, package_of
from etl.errors.reasons import REASONS as REASONS
from etl.words import one_line as one_line

# Set to anything, traces are shown as Python shows them.
TRACE_VARIABLE = "PETALSTREAM_TRACEBACK"

# What takes less memory, by the package of a command.
_LESS_MEMORY: Mapping[str, str] = {
    "etl": "a smaller --image_size or fewer --direct_num_workers take less",
    "trainer": "a smaller --batch_size, --image_size or --model takes less",
}

# Exit codes that every command line of this project uses.
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

# Characters of a value that a message quotes.
_MAX_SHOWN = 1_000
# An option in a message, with a number that it is given.
_FLAG = re.compile(r"--([a-z][a-z0-9_]*)(?: (\d[\d.x]*))?")


class PetalstreamError(Exception):
    """The base of all errors that end a command with one line and no stack trace."""

    exit_code = EXIT_FAILED


class ConfigError(PetalstreamError):
    """The operator's mistake, found before any work starts.

    Args:
        field: The option or argument at fault, as the operator typed it (`--image_size`); Python sees its field's name,
            see `naming_fields`.
        got: What it was given.
        expected: What it takes.
        hint: What to do about it, when that is not plain from `expected`.
    """

    exit_code = EXIT_USAGE

    def __init__(self, field: str, got: object, expected: str, hint: str = "") -> None:
        super().__init__(field, got, expected, hint)
        self.field, self.got, self.expected, self.hint = field, got, expected, hint
        self._flagged: ConfigError | None = None

    def __str__(self) -> str:
        line = f"{self.field}: got {_show(self.got)}, expected {self.expected}"
        return f"{line}; {self.hint}" if self.hint else line

    def naming_fields(self, names: Mapping[str, str]) -> ConfigError:
        """Returns the error for callers in Python: `--image_size 224` becomes `image_size=224`.

        Args:
            names: Flag to field, both without dashes, where they differ.
        """

        def rename(flag: re.Match[str]) -> str:
            return names.get(flag[1], flag[1]) + (f"={flag[2]}" if flag[2] else "")

        if self._flagged is not None:
            return self
        field, expected, hint = (_FLAG.sub(rename, text) for text in (self.field, self.expected, self.hint))
        made = ConfigError(field, self.got, expected, hint)
        made._flagged = self
        return made

    def naming_flags(self) -> ConfigError:
        """Returns the error for a command line, as it was before `naming_fields`."""
        return self._flagged or self


def _show(value: object) -> str:
    """Returns a value as Python writes it, cut where it is no use to read on."""
    try:
        shown = repr(value)
    # A whole number of more digits than Python prints.
    except ValueError:
        return "a number that is too large"
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 1]}…"


class UndeclaredReasonError(PetalstreamError, ValueError):
    """A mistake in a source's code: it rejects an input for a reason that nobody declared."""


class RecordError(PetalstreamError):
    """One input that can't be written; it is counted by reason and kept in `rejected.jsonl`.

    Args:
        key: The input's key, or "" where the raising function doesn't know it.
        reason: One of `REASONS`, or of those that the source declares.
        message: What was wrong, for a person.

    Raises:
        UndeclaredReasonError: it is none of them.
    """

    def __init__(self, key: str, reason: str, message: str) -> None:
        super().__init__(key, reason, message)
        check_reason(reason)
        self.key, self.reason, self.message = key, reason, message

    def __str__(self) -> str:
        return f"{self.key or 'image'}: {self.reason}: {self.message}"


def check_reason(reason: str) -> None:
    """Checks that a reason is known in this process.

    Raises:
        UndeclaredReasonError: neither the project nor a source that was loaded declares it.
    """
    known = reasons.names()
    if reason not in known:
        hint = "a source declares those of its own in its module's REASONS"
        raise UndeclaredReasonError(f"reason {reason!r} is none of {', '.join(known)}; {hint}")


class DatasetError(PetalstreamError):
    """A data set on disk that is missing, incomplete, or not what its manifest says."""


class LimitError(PetalstreamError):
    """A limit of the machine, in one line: a full disk, no permission, no memory; see `etl.errors.limits`."""


class StorageError(PetalstreamError):
    """An object store or its network that fails, and goes on failing for as long as we try."""


class InterruptionError(PetalstreamError):
    """A run that ended where it can go on from, as a signal told it to.

    Args:
        message: Where that is, and what to do next.
        number: The signal.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, number)
        self.exit_code = 128 + number

    def __str__(self) -> str:
        return str(self.args[0])


class UploadLostError(StorageError):
    """A file that has to be written anew: the store forgot its first part."""


class WorkerError(PetalstreamError):
    """What ended a worker, in another process or on another machine, in one line.

    Args:
        message: The line.
        exit_code: Of the command that started the run.
    """

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def run_main(main: Callable[[list[str] | None], int], argv: list[str] | None = None) -> int:
    """Runs a command's `main`, turning our own errors into one line and an exit code.

    Args:
        main: Takes argv without the program's name (None: `sys.argv[1:]`), returns an exit code.
        argv: Passed through.

    Returns:
        `main`'s exit code, or that of its end: 2 for the operator's mistake, 1 for a failed run, 128 and a signal's
        number where one ended it: 130 for Ctrl-C, 143 for SIGTERM, 141 for a pipe that nobody reads.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks is shown by its escapes.
            stream.reconfigure(errors="backslashreplace")
    with interrupts.heard():
        try:
            # Of a command that keeps nothing, or hasn't begun.
            with (
                interrupts.hinting(lambda: "the same command begins anew"),
                translate_limits(_LESS_MEMORY.get(_command_of(main).partition(".")[0], "")),
            ):
                return main(argv)
        except BaseException as error:
            # One that comes now changes nothing any more.
            interrupts.settle()
            line, code = _end(error, main)
            # Nor does it that nobody reads the line.
            with suppress(KeyboardInterrupt):
                if line:
                    print(f"error: {one_line(line)}", file=sys.stderr)
            return code


def _end(error: BaseException, main: Callable[..., int]) -> tuple[object, int]:
    """Returns how an error ends a command: its line and its exit code; raises it again where it is a bug of ours."""
    if isinstance(error, InterruptionError):
        return error, error.exit_code
    # An interrupted import, or a runner, makes an error of its own of it.
    if isinstance(error, KeyboardInterrupt) or interrupts.received():
        if os.environ.get(TRACE_VARIABLE):
            traceback.print_exception(error)
        return interrupts.end()
    if isinstance(error, PetalstreamError):
        return error, error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error, main), EXIT_USAGE
    raise error


def _command_of(main: Callable[..., int]) -> str:
    """Returns what a command is called, as `trainer.task`: the process's own program if that is one of ours."""
    spec = sys.modules["__main__"].__spec__
    program = spec.name if spec else ""
    is_ours = program.partition(".")[0] in _LESS_MEMORY
    return (program if is_ours else main.__module__).removesuffix(".__main__").removesuffix(".command")


def _missing_package(error: ModuleNotFoundError, main: Callable[..., int]) -> ConfigError:
    """Makes the error for a package that an extra brings; raises the one given where none does: it is a bug of ours."""
    command = _command_of(main)
    extra = extra_for(error.name or "", command)
    if extra is None:
        raise error
    package = package_of(error.name or "")
    return ConfigError(command, str(error), f"the package {package}", f"pip install 'petalstream[{extra}]' brings it")


@contextmanager
def translate_limits(memory: str = "") -> Iterator[None]:
    """Makes of what the machine refuses an error of ours; with `TRACE_VARIABLE` set to anything, the trace shows too.

    Args:
        memory: Options that take less memory.

    Raises:
        LimitError: a limit of the machine was met in the block.
    """
    try:
        yield
    except PetalstreamError:
        raise
    except Exception as error:
        line = limits.describe(error, memory)
        if line is None:
            raise
        if os.environ.get(TRACE_VARIABLE):
            traceback.print_exception(error)
        raise LimitError(line) from error


@contextmanager
def reading(field: str, path: str, expected: str) -> Iterator[None]:
    """Makes of a file that the operator named and the system refuses the operator's mistake.

    Args:
        field: The option that named it.
        path: The file.
        expected: What it should be.

    Raises:
        ConfigError: the system refused something in the block.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(field, path, expected, limits.reason(error)) from None


def encode_failure(error: PetalstreamError) -> bytes:
    """Returns an error as JSON, for the file in which a worker leaves it."""
    is_limit = isinstance(error, LimitError)
    return json.dumps({"message": one_line(error), "exit_code": error.exit_code, "is_limit": is_limit}).encode()


def decode_failure(data: bytes) -> LimitError | WorkerError:
    """Returns what `encode_failure` was given; where that was damaged, an error that says so."""
    try:
        content = json.loads(data)
        if content.get("is_limit"):
            return LimitError(str(content["message"]))
        return WorkerError(str(content["message"]), int(content["exit_code"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return WorkerError("a worker failed, and what it left of its error can't be read")


def find_failure(error: BaseException) -> PetalstreamError | None:
    """Finds an error of ours in what a runner made of it: among its causes, or in the text of a worker's trace.

    Args:
        error: Raised by a pipeline's run.

    Returns:
        The innermost error of ours; None where there is none.
    """
    found = None
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        # Beam adds the step's name to an error's arguments and raises it anew, the first one as its context.
        found = cause if isinstance(cause, PetalstreamError) else found
        cause = cause.__cause__ or cause.__context__
    if found is not None:
        return found
    lines = _IN_TRACE.findall(str(error))
    if not lines:
        return None
    kind, message = lines[-1]
    message = re.sub(r" \[while running '[^']*'\]", "", message)
    if kind == LimitError.__name__:
        return LimitError(message)
    return WorkerError(message, EXIT_USAGE if kind == ConfigError.__name__ else EXIT_FAILED)


# The last line of a trace, as Python prints it: the class with its module, and the message.
_IN_TRACE = re.compile(r"^(?:etl|trainer)\.[\w.]*?(\w+Error): (.+)$", re.MULTILINE)
