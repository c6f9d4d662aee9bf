"""Files as they never should be: one value of JSON replaced by another kind, or bytes that are changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Once a function gets a folder of its own, every example writes over the last one's file.
fuzzed = settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Of every kind that a parser may meet, at the limits of what is one.
_NUMBERS = (0, -1, 2**63, 10**400, 0.5, 1e300)
_STRINGS = ("", "x", "0", "\ud800", "\u2028", "a\0b", "../x")
_LISTS = ([], {}, [0], [None], ["x"], {"x": 0}, {"": None}, [[]])
VALUES = st.sampled_from([None, True, False, *_NUMBERS, *_STRINGS, *_LISTS])
# Texts in place of a value, which no value is written as.
_NUMERALS = ("1e999", "NaN", "-Infinity", "9" * 5_000)
TEXTS = st.sampled_from([*_NUMERALS, "[" * 5_000, "{", "}", ",", '"', "nul", '{"a":1,"a":2}'])
_MARK = "\u0001mark\u0001"


def damaged_json(content: Any) -> st.SearchStrategy[bytes]:
    """Returns texts that differ from JSON's in one value, which is another or none, or in some bytes."""
    paths = [path for path in _paths(content) if path]
    text = json.dumps(content).encode()
    other = st.tuples(st.sampled_from(paths), VALUES).map(lambda drawn: json.dumps(_replace(content, *drawn)).encode())
    none = st.tuples(st.sampled_from(paths), TEXTS).map(
        lambda drawn: json.dumps(_replace(content, drawn[0], _MARK)).replace(json.dumps(_MARK), drawn[1]).encode()
    )
    left_out = st.sampled_from(paths).map(lambda path: json.dumps(_replace(content, path, ...), default=str).encode())
    return other | none | left_out | damaged_bytes(text)


def damaged_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """Returns files of which a range is replaced by other bytes."""
    places = st.integers(0, len(data))
    return st.tuples(places, places, st.binary(max_size=4)).map(
        lambda drawn: data[: min(drawn[:2])] + drawn[2] + data[max(drawn[:2]) :]
    ) | st.sampled_from(
        [b"", b"\xef\xbb\xbf" + data, data.decode("latin1").encode("utf-16"), data.replace(b"\n", b"\r")]
    )


def _paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in members:
        yield from _paths(value, (*path, name))


def _replace(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Returns a copy with another value at a place, or with none there where the value is `...`."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(content, list):
        made = [_replace(each, rest, value) if index == name else each for index, each in enumerate(content)]
        return [each for each in made if each is not ...]
    made_dict = {key: _replace(each, rest, value) if key == name else each for key, each in content.items()}
    return {key: each for key, each in made_dict.items() if each is not ...}
