"""The options of a source, how it declares its own, and where its images come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

# Under which key a field's metadata holds its flag.
_FLAG = "flag"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What every source is told to list its images; a source with options of its own declares them in a subclass.

    Attributes:
        input: The folder or file that `--input` names; None where the source needs none.
        labels: A file with one class name a line, None where the source knows its own.
        split_by: `hash`, `official`, `column`, or `auto` for what the source prefers.
        seed: For whatever a source draws.
        classes_from: An earlier data set's folder or manifest, whose class names are kept.
        output: The run's own output, which is no input though it lies within `input`.
    """

    input: str | None = None
    labels: str | None = None
    split_by: str = "auto"
    seed: int = 0
    classes_from: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Flag:
    """How an option of one source is given on the command line and kept in the manifest.

    Attributes:
        name: Of the option's field; the flag is `--name`.
        default: What holds where it is not given; False makes a flag without a value.
        help: One line for `--help`.
        parse: From text to value, None for a text as it is; it raises `ConfigError`.
        choices: The only values, None for any.
        metavar: How `--help` calls the value, None for the name in capitals.
        before: The common option before which it stands in the manifest's configuration, "" for behind all.
    """

    name: str
    default: object
    help: str
    parse: Callable[[str], Any] | None
    choices: Sequence[str] | None
    metavar: str | None
    before: str

    @property
    def is_off(self) -> bool:
        """Whether it does nothing unless it is given."""
        return self.default is None or self.default is False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a public data set comes from: its page, its licence ("" where none is stated) and how to cite it."""

    url: str
    license: str
    citation: str


def option(
    default: T,
    *,
    help: str,
    parse: Callable[[str], Any] | None = None,
    choices: Sequence[str] | None = None,
    metavar: str | None = None,
    before: str = "",
) -> T:
    """Declares a field of a subclass of `SourceOptions` as an option of the command line; see `Flag`."""
    more = {"help": help, "parse": parse, "choices": choices, "metavar": metavar, "before": before}
    return dataclasses.field(default=default, metadata={_FLAG: more})


def flags(kind: type[SourceOptions]) -> list[Flag]:
    """Returns the options that a source declares, in its order; those that all sources have are none of them.

    Raises:
        ValueError: a field is no `option`.
    """
    common = {field.name for field in dataclasses.fields(SourceOptions)}
    made = []
    for field in dataclasses.fields(kind):
        if field.name in common:
            continue
        if _FLAG not in field.metadata:
            raise ValueError(f"{field.name!r} is no option(…)")
        made.append(Flag(field.name, field.default, **field.metadata[_FLAG]))
    return made
