"""The three kinds of failure: the operator's mistake, a bad record, a bad data set.

Everything else is a bug of ours and propagates with its stack trace.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

# Exit codes that every command line of this project uses.
EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class PetalstreamError(Exception):
    """The base of all errors that end a command with one line and no stack trace."""

    exit_code = EXIT_FAILED


class ConfigError(PetalstreamError):
    """The operator's mistake, found before any work starts.

    Args:
        field: The option or argument at fault, as the operator typed it (`--image_size`).
        got: What it was given.
        expected: What it takes.
        mend: What to do about it, when that is not plain from `expected`.
    """

    exit_code = EXIT_USAGE

    def __init__(self, field: str, got: object, expected: str, mend: str = "") -> None:
        super().__init__(field, got, expected, mend)
        self.field, self.got, self.expected, self.mend = field, got, expected, mend

    def __str__(self) -> str:
        line = f"{self.field}: got {self.got!r}, expected {self.expected}"
        return f"{line}; {self.mend}" if self.mend else line


class RecordError(PetalstreamError):
    """One input that can't be written; it is counted by reason and kept in `rejected.jsonl`.

    Args:
        key: The input's key, or "" where the raising function doesn't know it.
        reason: One of `REASONS`.
        message: What was wrong, for a person.
    """

    def __init__(self, key: str, reason: str, message: str) -> None:
        super().__init__(key, reason, message)
        if reason not in REASONS:
            raise ValueError(f"reason {reason!r} is none of {', '.join(REASONS)}")
        self.key, self.reason, self.message = key, reason, message

    def __str__(self) -> str:
        return f"{self.key or 'image'}: {self.reason}: {self.message}"


class DatasetError(PetalstreamError):
    """A data set on disk that is missing, incomplete, or not what its manifest says."""


# Why an input was not written. The names are part of the data format (docs/data_format.md).
REASONS: dict[str, str] = {
    "missing": "the file does not exist",
    "empty": "the file has zero bytes",
    "not_an_image": "the first bytes are of no image format known here",
    "truncated": "the image ends before its last pixel",
    "corrupt": "the image's bytes contradict each other",
    "unsupported": "an image format that nothing here can decode",
    "too_many_pixels": "height times width is over the limit",
    "unknown_label": "the label is not among the class names",
    "duplicate_key": "another input has the same key",
    "unlisted": "the image is in none of the data set's lists",
    "malformed_row": "a line of the list that can't be read",
}


def run_main(main: Callable[[list[str] | None], int], argv: list[str] | None = None) -> int:
    """Runs a command's `main`, turning our own errors into one line and an exit code.

    Args:
        main: Takes argv without the program's name (None: `sys.argv[1:]`), returns an exit code.
        argv: Passed through.

    Returns:
        `main`'s exit code, or that of the error: 2 for the operator's mistake, 1 for a failed run.
    """
    try:
        return main(argv)
    except PetalstreamError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def one_line(value: Any) -> str:
    """Folds a message to one line, white space runs to single spaces."""
    return " ".join(str(value).split())
