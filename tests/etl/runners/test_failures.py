"""What a run that failed, or was ended, says."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from etl import errors
from etl.errors import ConfigError, DatasetError, PetalstreamError, StorageError, causes, encode_failure
from etl.runners import failures

TRACE = "Traceback (most recent call last):\n  File x\n"


class Divide(beam.DoFn):
    def process(self, element: int) -> None:
        _ = 1 // element


class Refuse(beam.DoFn):
    """Fails as a step of ours does."""

    def __init__(self, error: PetalstreamError, path: str) -> None:
        self.error, self.path = error, path

    def process(self, element: int) -> None:
        if self.path:
            Path(self.path).write_bytes(encode_failure(self.error))
        raise self.error


def run(step: beam.DoFn, folder: Path) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    _ = pipeline | beam.Create([0]) | "Work" >> beam.ParDo(step)
    with failures.translate_errors(str(folder / "failure.txt"), str(folder), "do this"):
        pipeline.run().wait_until_finish()


def test_a_bug_is_one_line_and_its_trace_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(failures.RunError) as caught:
        run(Divide(), tmp_path)
    line = str(caught.value)
    assert line.startswith(
        "the run failed: ZeroDivisionError: integer division or modulo by zero [while running 'Work']"
    )
    assert line.endswith(f"; the trace is in {tmp_path}/traceback.txt; do this")
    assert caught.value.exit_code == 1
    trace = (tmp_path / "traceback.txt").read_text()
    assert "in process" in trace
    assert "test_failures.py" in trace
    assert capfd.readouterr().err == ""


def test_where_the_folder_is_gone_the_trace_is_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(failures.RunError, match=r"the trace is in .*petalstream-.*-traceback\.txt"):
        run(Divide(), tmp_path / "gone")
    assert "ZeroDivisionError" in next(tmp_path.glob("petalstream-*")).read_text()


def test_a_trace_is_shown_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(errors.TRACE_VARIABLE, "1")
    with pytest.raises(Exception, match="ZeroDivisionError|division or modulo"):
        run(Divide(), tmp_path)
    assert not (tmp_path / "traceback.txt").exists()


def test_what_a_service_refused_shows_its_trace_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(errors.TRACE_VARIABLE, "1")
    with pytest.raises(failures.RunError, match="refused"), failures.translate_errors(str(tmp_path / "no"), ""):
        raise failures.RunError("refused") from KeyError("the cause")
    assert "KeyError: 'the cause'" in capsys.readouterr().err


@pytest.mark.parametrize("leaves", [True, False])
def test_what_a_step_said_is_told_as_it_said_it(tmp_path: Path, leaves: bool) -> None:
    path = str(tmp_path / "failure.txt") if leaves else ""
    with pytest.raises(DatasetError, match="^three are missing$"):
        run(Refuse(DatasetError("three are missing"), path), tmp_path)
    with pytest.raises(PetalstreamError, match="--input: got 'x', expected y") as caught:
        run(Refuse(ConfigError("--input", "x", "y"), path), tmp_path)
    assert caught.value.exit_code == 2


def test_a_store_that_fails_is_no_fault_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(PetalstreamError, match="the bucket is away") as caught:
        run(Refuse(StorageError("the bucket is away"), str(tmp_path / "failure.txt")), tmp_path)
    assert not isinstance(caught.value, DatasetError)
    assert caught.value.exit_code == 1


def test_what_a_step_said_comes_before_what_a_service_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "failure.txt").write_bytes(encode_failure(DatasetError("three are missing")))
    job = failures.RunError("the job failed: etl.errors.DatasetError: three are missing [while running 'Work']")
    with (
        pytest.raises(DatasetError, match="^three are missing$"),
        failures.translate_errors(str(tmp_path / "failure.txt"), str(tmp_path)),
    ):
        raise job
    with pytest.raises(failures.RunError, match="the job failed"), failures.translate_errors(str(tmp_path / "no"), ""):
        raise job


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no more disk", "OSError: no more disk"),
        ("", "OSError"),
        (f"{TRACE}KeyError: 'a' [while running 'W-ptransform-7']\n\nnote", "KeyError: 'a' [while running 'W']"),
        ("one\n two\n", "OSError: one two"),
        ("x" * 2_000, "OSError: " + "x" * 591 + "..."),
    ],
)
def test_the_cause_is_the_last_line_of_a_trace(text: str, expected: str) -> None:
    assert causes.cause(OSError(text)) == expected


class Kill(beam.DoFn):
    def process(self, element: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_in_the_midst_of_a_step_is_no_failure_of_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str] | None) -> int:
        pipeline = beam.Pipeline(runner=FnApiRunner())
        _ = pipeline | beam.Create([0]) | beam.ParDo(Kill())
        with failures.translate_errors(str(tmp_path / "failure.txt"), str(tmp_path)):
            pipeline.run().wait_until_finish()
        return 0

    assert errors.run_main(main, []) == 143
    assert capfd.readouterr().err == "error: terminated; the same command begins anew\n"
    assert not list(tmp_path.iterdir())
