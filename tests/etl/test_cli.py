from __future__ import annotations

import os
import sys

import pytest

from etl.cli import Parser, console, number, quiet_stderr
from etl.errors import ConfigError


def parser() -> Parser:
    made = Parser(prog="etl.some")
    made.add_argument("--size", type=number("--size", int, minimum=1, maximum=9, what="a whole number from 1 to 9"))
    made.add_argument("--kind", choices=("a", "b"))
    made.add_argument("--needed", required=True)
    made.add_argument("--flag", action="store_true")
    made.add_argument("--files", nargs="+")
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--needed", "1", "--size", "x"], "--size: got 'x', expected a whole number from 1 to 9"),
        (["--needed", "1", "--size", "10"], "--size: got '10', expected a whole number from 1 to 9"),
        (["--needed", "1", "--size"], "--size: .*expected a value"),
        (["--needed", "1", "--files"], "--files: got None, expected one or more values"),
        (["--needed", "1", "--kind", "c"], "--kind: got 'c', expected one of"),
        ([], "--needed: got None, expected a value; see python -m etl.some --help"),
        (["--needed", "1", "--sizes", "3"], r"--sizes: .*did you mean --size\?"),
        (["--needed", "1", "--fla"], r"--fla: .*did you mean --flag\?"),
        (["--needed", "1", "--unlike_all"], "--unlike_all: .*see python -m etl.some --help"),
    ],
)
def test_whatever_is_wrong_is_one_config_error(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parser().parse_args(arguments)


@pytest.mark.parametrize(
    ("text", "value"), [("64", 64), ("64.0", 64), ("-3.00", -3), ("64.5", None), ("64.", None), (".0", None)]
)
def test_a_whole_number_may_be_written_as_a_float(text: str, value: int | None) -> None:
    parse = number("--x", int, what="a whole number")
    if value is not None:
        assert parse(text) == value
        return
    with pytest.raises(ConfigError, match="--x: got .*expected a whole number"):
        parse(text)


def test_nan_is_in_no_range() -> None:
    with pytest.raises(ConfigError, match="--x: got 'nan', expected a share"):
        number("--x", float, minimum=0, maximum=1, what="a share")("nan")


def test_what_is_written_to_the_descriptor_is_kept_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"a notice\n")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"


def test_it_shows_when_the_block_raises(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(2, b"a notice\n")
        raise ImportError("none")

    with pytest.raises(ImportError, match="none"), quiet_stderr():
        fail()
    assert "a notice" in capfd.readouterr().err


def test_tables_in_files_are_wide() -> None:
    assert console().width >= 100


@pytest.mark.parametrize("value", ["-0000[0-3]-of-*", "-1", "-x=y"])
def test_a_value_may_begin_with_a_dash(value: str) -> None:
    made = Parser(prog="etl.some")
    made.add_argument("--pattern")
    made.add_argument("--quiet", action="store_true")
    arguments, rest = made.parse_known_args(["--quiet", "--pattern", value, "--other", "-z", "--", "--pattern", "-y"])
    assert (arguments.pattern, arguments.quiet) == (value, True)
    assert rest[:2] == ["--other", "-z"]
    with pytest.raises(ConfigError, match="--pattern: got None, expected a value"):
        made.parse_args(["--pattern", "--quiet"])
