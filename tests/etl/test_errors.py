from __future__ import annotations

import pickle

import pytest

from etl.errors import ConfigError, DatasetError, RecordError, run_main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("--x", "a", "a number", "try 3"), 2, "error: --x: got 'a', expected a number; try 3"),
        (ConfigError("--x", None, "a number"), 2, "error: --x: got None, expected a number"),
        (DatasetError("two\nlines"), 1, "error: two lines"),
        (RecordError("k", "empty", "m"), 1, "error: k: empty: m"),
    ],
)
def test_our_errors_end_in_one_line_and_a_code(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str] | None) -> int:
        raise error

    assert run_main(main, []) == code
    assert capsys.readouterr().err == line + "\n"


def test_bugs_keep_their_trace() -> None:
    def main(argv: list[str] | None) -> int:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        run_main(main, [])


def test_ctrl_c_is_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str] | None) -> int:
        raise KeyboardInterrupt

    assert run_main(main, []) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("error", [ConfigError("f", 1, "e", "m"), RecordError("k", "empty", "m"), DatasetError("d")])
def test_errors_cross_processes(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))


def test_reasons_are_a_closed_list() -> None:
    with pytest.raises(ValueError, match="reason 'odd' is none of missing"):
        RecordError("k", "odd", "m")
