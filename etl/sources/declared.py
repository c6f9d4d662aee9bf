"""The declarations of the sources: options of their own, their origin, and whether they read files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from etl.errors import ConfigError
from etl.sources import SOURCES, source
from etl.sources.options import Flag, Origin, SourceOptions, flags


def options_type(name: str) -> type[SourceOptions]:
    """Returns the class of a source's options: its `OPTIONS`, or what all sources have.

    Raises:
        ConfigError: it is none.
    """
    declared = getattr(source(name), "OPTIONS", SourceOptions)
    is_one = isinstance(declared, type) and issubclass(declared, SourceOptions)
    # A class that forgot its decorator has only what it inherits.
    if not is_one or "__dataclass_fields__" not in vars(declared):
        raise _wrong(name, declared, "a dataclass below SourceOptions")
    return declared


def own_flags() -> dict[str, list[Flag]]:
    """Returns source to the options that it alone reads, of those sources that have any.

    The sources of one public data set come first: they stand last in `SOURCES`.

    Raises:
        ConfigError: an option is badly declared, or another source's.
    """
    found: dict[str, list[Flag]] = {}
    owners: dict[str, str] = {}
    for name in reversed(SOURCES):
        try:
            own = flags(options_type(name))
        except ValueError as error:
            raise _wrong(name, SOURCES[name], "fields that are options", str(error)) from None
        for flag in own:
            if flag.name in owners:
                hint = f"{owners[flag.name]} has one of that name too"
                raise _wrong(name, flag.name, "options of its own", hint)
            owners[flag.name] = name
        if own:
            found[name] = own
    return found


def resolve(name: str, options: SourceOptions) -> SourceOptions:
    """Returns options as a source takes them: its own where they are left out at their defaults.

    Args:
        name: Of the source.
        options: Of any source.

    Raises:
        ConfigError: they hold what the source doesn't have.
    """
    kind = options_type(name)
    if type(options) is kind:
        return options
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    if type(options) is not SourceOptions:
        refuse_others(name, values)
    return make(name, values)


def make(name: str, values: Mapping[str, Any]) -> SourceOptions:
    """Makes a source's options from values by name; those that it doesn't have are left out."""
    kind = options_type(name)
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values})


def refuse_others(name: str, values: Mapping[str, Any]) -> None:
    """Checks that no option of another source is given.

    Those that are never off are let pass: nothing tells whether they were given, and nothing reads them.

    Args:
        name: Of the source.
        values: By option; others than the sources' own are not looked at.

    Raises:
        ConfigError: one is.
    """
    for other, own in own_flags().items():
        for flag in own:
            if other != name and flag.is_off and values.get(flag.name, flag.default) != flag.default:
                raise ConfigError(f"--{flag.name}", name, f"--source {other}, which alone has them")


def to_dict(options: SourceOptions) -> dict[str, Any]:
    """Returns options for the manifest, without the output: those of other sources too, at their defaults."""
    own = [flag for of_one in own_flags().values() for flag in of_one]
    content = {}
    for field in dataclasses.fields(SourceOptions):
        names = [flag.name for flag in own if flag.before == field.name]
        if field.name != "output":
            names.append(field.name)
        content.update(dict.fromkeys(names))
    content.update(dict.fromkeys(flag.name for flag in own))
    defaults = {flag.name: flag.default for flag in own}
    return {name: getattr(options, name, defaults.get(name)) for name in content}


def origin(name: str) -> Origin | None:
    """Returns where the data set of a source comes from; None where anybody's images may be, or the source is unknown.

    Args:
        name: Of the source, as in a manifest.
    """
    declared: Origin | None = getattr(source(name), "ORIGIN", None) if name in SOURCES else None
    return declared


def reads_files(name: str) -> bool:
    """Tells whether the workers read a source's images from files, which each of them has to reach."""
    return bool(getattr(source(name), "READS_FILES", True))


def _wrong(name: str, got: object, expected: str, hint: str = "") -> ConfigError:
    return ConfigError(f"OPTIONS of {SOURCES[name]}", got, expected, hint)
