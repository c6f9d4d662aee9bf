"""JSON and YAML from outside, read strictly: whatever is wrong with a text is a `ValueError` in one line.

The parsers alone promise less. Ten thousand brackets end in a RecursionError, a number of 5,000 digits in a ValueError
where it is printed, a key that stands twice in a value that is lost, and YAML's own constructors in whatever they meet.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from etl.errors import one_line

if TYPE_CHECKING:
    import yaml

_Made = TypeVar("_Made")

# Deeper than any file that a person or a service writes, and far from where Python's own stack ends.
MAX_DEPTH = 100
# YAML's aliases make a file of a kilobyte one of a billion values.
_MAX_YAML_VALUES = 1_000_000
# The largest number that a float can hold too: larger ones are no use here, and fail wherever they are counted with.
_MAX_BITS = 1_023
# Of a message: what it quotes may be long.
_MAX_MESSAGE_LENGTH = 300

# What the constructors of YAML's types raise for values that only look like theirs: 2024-13-45, !!int "", "\UFFFFFFFF".
_YAML_SYMPTOMS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def parse_json(text: bytes | str, *, allow_nan: bool = False) -> Any:
    """Parses JSON.

    Args:
        text: As bytes, UTF-8, with a byte order mark or without.
        allow_nan: Whether numbers may be NaN or infinite, as in files that Python's own `json` wrote.

    Returns:
        JSON's types; no deeper than `MAX_DEPTH`.

    Raises:
        ValueError: it is no JSON, or holds a key twice in one object or a number that is too large.
    """
    try:
        decoded = decode(text)
        if allow_nan:
            content = json.loads(decoded, object_pairs_hook=_unique)
        else:
            content = json.loads(
                decoded, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
            )
        _check(content)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ValueError(_shorten(error)) from error
    return content


def parse_yaml(text: bytes | str) -> Any:
    """Parses YAML of plain types: lists, tables, texts, numbers, dates, true, false and null.

    Args:
        text: As bytes, UTF-8, with a byte order mark or without.

    Returns:
        Its content; None where there is none.

    Raises:
        ValueError: it is no YAML, holds a key twice in one table, or a number that is too large.
    """
    import yaml

    try:
        content = yaml.load(decode(text), _yaml_loader())
        _check(content, _MAX_YAML_VALUES)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except (yaml.YAMLError, *_YAML_SYMPTOMS) as error:
        raise ValueError(_shorten(error)) from error
    return content


def decode(text: bytes | str) -> str:
    """Returns UTF-8 as text, without a byte order mark.

    Raises:
        ValueError: it is no UTF-8.
    """
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "; it seems to be UTF-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        raise ValueError(f"not UTF-8: byte {error.start:,} is 0x{text[error.start]:02x}{hint}") from None


def split_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that hold something, with their numbers from 1.

    Lines end at a line feed alone: `str.splitlines` ends them at eight more characters, which texts within JSON may
    hold as they are.
    """
    for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            yield number, line


def is_text(value: object) -> bool:
    """Tells whether a value is a text that is not empty and can be written as UTF-8, which half a pair can't."""
    if not isinstance(value, str) or not value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_count(value: object) -> bool:
    """Tells whether a value is a whole number from 0 that fits into 63 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def make(kind: type[_Made], **values: Any) -> _Made:
    """Makes a dataclass of what a file says, where each value is of the kind that its field has.

    Raises:
        TypeError: a field is missing or unknown, or has another kind of value.
    """
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        is_right, expected = _KINDS.get(str(each.type), (None, ""))
        if is_right is not None and each.name in values and not is_right(values[each.name]):
            raise TypeError(f"{each.name} is {str(values[each.name])[:80]!r}, expected {expected}")
    return kind(**values)


def to_tuple(value: Any) -> tuple[Any, ...]:
    """Returns a list as a tuple.

    Raises:
        TypeError: it is no list.
    """
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:80]!r} is no list")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# By a field's type, as it is written: what its value must be, and that in words.
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "a text"),
    "str | None": (lambda value: value is None or isinstance(value, str), "a text, or null"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (is_count, "a whole number from 0"),
    "float": (_is_number, "a number"),
    "float | None": (lambda value: value is None or _is_number(value), "a number, or null"),
    "tuple[str, ...]": (lambda value: all(map(is_text, value)), "a list of texts"),
    "tuple[int, ...]": (lambda value: all(isinstance(each, int) for each in value), "a list of whole numbers"),
    "tuple[int, int] | None": (
        lambda value: value is None or (len(value) == 2 and all(is_count(each) and each for each in value)),
        "two whole numbers from 1, or null",
    ),
    "tuple[int | None, ...]": (
        lambda value: all(each is None or is_count(each) for each in value),
        "a list of whole numbers from 0, or null for any",
    ),
    "tuple[float, float, float]": (lambda value: len(value) == 3 and all(map(_is_number, value)), "three numbers"),
    "Mapping[str, int]": (
        lambda value: isinstance(value, dict) and all(map(is_count, value.values())),
        "names with whole numbers from 0",
    ),
    "Mapping[int, float]": (
        lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
        "numbers with numbers",
    ),
    "Mapping[str, str]": (lambda value: isinstance(value, dict), "names with texts"),
    "Mapping[str, Any]": (lambda value: isinstance(value, dict), "names with values"),
    "Mapping[str, Value]": (lambda value: isinstance(value, dict), "names with values"),
    "Mapping[str, Any] | None": (lambda value: value is None or isinstance(value, dict), "names with values, or null"),
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} is there twice")
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check(content: object, max_values: float = math.inf) -> None:
    """Checks depth, size and numbers of what was parsed.

    Raises:
        ValueError: it is too deep, too large, or holds a number that is too large.
    """
    values: Iterator[object] = iter((content,))
    waiting = [values]
    num_values = 0
    while waiting:
        for value in waiting[-1]:
            num_values += 1
            if num_values > max_values:
                raise ValueError(f"more than {max_values:,} values")
            if isinstance(value, (dict, list, set, tuple)):
                waiting.append(_members(value))
                break
            if isinstance(value, int) and value.bit_length() > _MAX_BITS:
                raise ValueError("a whole number is too large")
        else:
            waiting.pop()
        if len(waiting) > MAX_DEPTH + 1:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _members(value: dict[Any, Any] | list[Any] | set[Any] | tuple[Any, ...]) -> Iterator[object]:
    if isinstance(value, dict):
        return (member for pair in value.items() for member in pair)
    return iter(value)


def _yaml_loader() -> type[yaml.SafeLoader]:
    """Returns YAML's safe loader, which keeps the last of equal keys, as one that refuses them."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses keys that stand twice in one table; keys of merged tables are defaults, which may be there again."""

        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            node = super().compose_mapping_node(anchor)
            keys: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if (key.tag, key.value) in keys:
                        raise ValueError(f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice")
                    keys.add((key.tag, key.value))
            return node

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)
            # A table that is merged twice is there once, or a few lines would fill the memory.
            node.value = list({(id(key), id(value)): (key, value) for key, value in node.value}.values())

    return Loader


def _shorten(error: Exception) -> str:
    said = one_line(error)
    if said.startswith("Exceeds the limit"):
        return "a whole number is too large"
    # Messages of YAML's constructors say little without the kind of error.
    said = (
        said if isinstance(error, ValueError) or "yaml" in type(error).__module__ else f"{type(error).__name__}: {said}"
    )
    return said if len(said) <= _MAX_MESSAGE_LENGTH else f"{said[: _MAX_MESSAGE_LENGTH - 1]}…"
