from __future__ import annotations

import pickle

import pytest

from etl.errors import (
    ConfigError,
    DatasetError,
    RecordError,
    StorageError,
    decode_failure,
    encode_failure,
    find_failure,
    run_main,
)


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
    assert capsys.readouterr().err == "error: interrupted; the same command begins anew\n"


@pytest.mark.parametrize("error", [ConfigError("f", 1, "e", "m"), RecordError("k", "empty", "m"), DatasetError("d")])
def test_errors_cross_processes(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))


def test_reasons_are_a_closed_list() -> None:
    with pytest.raises(ValueError, match="reason 'odd' is none of missing"):
        RecordError("k", "odd", "m")


def test_a_worker_leaves_its_error_in_a_file() -> None:
    for error in (ConfigError("f", 1, "e", "m"), StorageError("gs://b/x:\n failed"), DatasetError("d")):
        copy = decode_failure(encode_failure(error))
        assert (str(copy), copy.exit_code) == (" ".join(str(error).split()), error.exit_code)
        assert str(pickle.loads(pickle.dumps(copy))) == str(copy)


def test_the_first_of_our_errors_is_found_among_a_runners() -> None:
    def fail() -> None:
        try:
            raise ConfigError("--input", "x", "y")
        except ConfigError:
            # As Beam does it, and as the second write of a worker to a bucket that takes none.
            raise StorageError("the line can't be left either") from None

    with pytest.raises(StorageError) as caught:
        fail()
    wrapped = RuntimeError("the step failed")
    wrapped.__cause__ = caught.value
    assert isinstance(find_failure(wrapped), ConfigError)
    assert find_failure(RuntimeError("nothing of ours")) is None


def test_our_errors_are_found_in_the_text_of_a_trace() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    raise E\n'
        "etl.errors.{}: gs://b/x: it's [odd] [while running 'Work']\n\nnote: more"
    )
    for kind, code in (("ConfigError", 2), ("StorageError", 1), ("DatasetError", 1)):
        found = find_failure(RuntimeError(trace.format(kind)))
        assert found is not None
        assert (str(found), found.exit_code) == ("gs://b/x: it's [odd]", code)


def test_an_error_names_fields_in_python_and_flags_on_the_command_line() -> None:
    error = ConfigError("--shard_mb", "--x", "a size for --output", "try --image_size 224 or --overwrite")
    named = error.naming_fields({"shard_mb": "shard_bytes", "overwrite": "overwrite=True"})
    assert named.field == "shard_bytes"
    # What was given stays as it is.
    assert str(named) == "shard_bytes: got '--x', expected a size for output; try image_size=224 or overwrite=True"
    assert named.naming_fields({"image_size": "size"}) is named
    assert named.naming_flags() is error
    assert error.naming_flags() is error
