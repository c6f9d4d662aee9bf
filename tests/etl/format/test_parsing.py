"""JSON and YAML from outside: content, or a `ValueError` in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.format.parsing import MAX_DEPTH, is_count, is_text, parse_json, parse_yaml, split_lines

DEEP = [
    "[" * 100_000,
    '{"a":' * 100_000,
    "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
]


def nest(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("text", DEEP, ids=["brackets", "objects", "one too many"])
def test_what_is_nested_too_deep_is_refused(parse: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^nested deeper than {MAX_DEPTH} levels$"):
        parse(text)


def test_depth_alone_is_no_fault() -> None:
    assert parse_json(nest(MAX_DEPTH)) == parse_yaml(nest(MAX_DEPTH)) == json.loads(nest(MAX_DEPTH))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "^Expecting value"),
        ("1e999", "^the number 1e999 is too large"),
        ("-1e999", "^the number -1e999 is too large"),
        ("NaN", "^NaN is no JSON"),
        ("[Infinity]", "^Infinity is no JSON"),
        ("9" * 5_000, "^a whole number is too large"),
        (f"[{'9' * 400}]", "^a whole number is too large"),
        ('{"a": 1, "b": 2, "a": 1}', "^the key 'a' is there twice"),
        (b"\xff\xfe[\x00]\x00", "^not UTF-8: byte 0 is 0xff; it seems to be UTF-16"),
        (b'["\xe9"]', "^not UTF-8: byte 2 is 0xe9$"),
        ('"a\tb"', "^Invalid control character"),
        ("1" * 5_000 + ".5e9999", "^the number 1{200,}…$"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_json_is_refused(text: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_what_python_wrote_may_hold_nan() -> None:
    assert parse_json(json.dumps([float("inf")]), allow_nan=True) == [float("inf")]


def test_a_byte_order_mark_is_no_content() -> None:
    assert parse_json(b"\xef\xbb\xbf[1]") == parse_json("\ufeff[1]") == parse_yaml(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "^line 3: the key 'a' is there twice"),
        ("x: {a: 1, a: 1}", "^line 1: the key 'a' is there twice"),
        ("a: 2024-13-45", "^month must be in 1..12"),
        ("!!int ''", "^IndexError"),
        ("!!bool maybe", "^KeyError: 'maybe'"),
        ("!!timestamp x", "^AttributeError"),
        ('"\\UFFFFFFFF"', "^OverflowError|^ValueError|^chr"),
        ("9" * 5_000, "^a whole number is too large"),
        ("0x" + "f" * 5_000, "^a whole number is too large"),
        ("&a [*a]", "^nested deeper"),
        ("&a {<<: *a, b: *a}", "^nested deeper"),
        ("a: [", "^while parsing a flow node"),
        ("a\x00", "^unacceptable character"),
        ("!!python/object/apply:os.getcwd []", "^could not determine a constructor"),
        ("? [a]\n: b", "^while constructing a mapping"),
        ("a: 1\n---\nb: 2", "^expected a single document"),
        ("a: 1".encode("utf-16"), "^not UTF-8.*UTF-16"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_yaml_is_refused(text: bytes | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_yaml(text)


def bomb(line: str) -> str:
    return "\n".join(["a0: &a0 {k: 1}", *(f"a{n}: &a{n} {line.format(f'*a{n - 1}')}" for n in range(1, 30))])


def test_a_few_lines_of_aliases_do_not_fill_the_memory() -> None:
    with pytest.raises(ValueError, match="^more than 1,000,000 values"):
        parse_yaml(bomb("[{0}, {0}, {0}]"))
    assert parse_yaml(bomb("{{<<: [{0}, {0}, {0}]}}"))["a29"] == {"k": 1}


def test_a_merged_table_s_keys_are_defaults() -> None:
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}")["b"] == {"x": 3, "y": 2}


def test_lines_end_at_line_feeds_alone() -> None:
    odd = "\u2028\u2029\x0b\x0c\x1c\x1d\x1e\x85"
    data = f"\ufeffa{odd}b\r\n\n  \nc\r".encode()
    assert list(split_lines(data)) == [(1, f"a{odd}b\r".encode()), (4, b"c\r")]
    assert list(split_lines(b"")) == []


def test_texts_and_counts_are_told_apart() -> None:
    assert [is_text(value) for value in ("a", "é\u2028", "", "\ud800", 1, None, b"a")] == [True] * 2 + [False] * 5
    assert [is_count(value) for value in (0, 2**63 - 1, 2**63, -1, True, 1.0, "1")] == [True] * 2 + [False] * 5


def test_the_operators_mistake_shows_any_value() -> None:
    assert str(ConfigError("--seed", int("f" * 5_000, 16), "less")) == (
        "--seed: got a number that is too large, expected less"
    )
    assert len(str(ConfigError("--seed", "9" * 100_000, "less"))) < 1_100


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@settings(max_examples=200, derandomize=True)
@given(values)
def test_json_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@settings(max_examples=100, derandomize=True)
@given(values)
def test_yaml_is_read_as_its_own_reader_reads_it(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text) == yaml.safe_load(text)


# Of these YAML makes its types, its references and its tables.
TOKENS = [
    r"-",
    r"a:",
    r"b",
    r"&x",
    r"*x",
    r"<<:",
    r"[",
    r"]",
    r"{",
    r"}",
    r",",
    r"?",
    r":",
    r"|",
    r">",
    r"'",
    r'"',
    r"#",
    r"~",
    r"=",
    r"---",
    r"...",
    r"!a",
    r"!!int",
    r"!!float",
    r"!!binary",
    r"!!timestamp",
    r"!!set",
    r"!!omap",
    r"!!pairs",
    r"!!bool",
    r"!!null",
    r"0x1",
    r"0o8",
    r"1_0",
    r"190:20:30",
    r"2001-12-14",
    r"24:60",
    r".inf",
    r".nan",
    r'"\U00110000"',
    r'"\ud800"',
    r"%YAML",
]
between = st.sampled_from([" ", "", "\n", "\n  ", "\t", "\x85", "\u2028", "\ufeff", "\x00"])
yaml_like = st.lists(st.sampled_from(TOKENS) | between, max_size=20).map("".join)


@settings(max_examples=400, derandomize=True)
@given(st.binary() | (st.text() | yaml_like).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_it_is_the_end_is_one_line(data: bytes) -> None:
    for parse in (parse_json, parse_yaml):
        said = "nothing"
        try:
            parse(data)
        except ValueError as error:
            said = str(error)
        assert said
        assert len(said.splitlines()) == 1
        assert len(said) <= 300
