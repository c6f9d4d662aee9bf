from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from etl import progress


def test_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    with progress.step("write", 3):
        for _ in range(3):
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("write: 1 of 3 images, ")
    assert lines[-1].startswith("write: 3 of 3 images, ")


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.step("write", 2):
        progress.advance(2)
    assert "2/2" in capsys.readouterr().err


def test_a_bar_without_a_total_ends_full(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.step("list"):
        progress.advance(7)
    printed = capsys.readouterr().err
    assert "7/7" in printed
    assert "7/?" not in printed.rpartition("7/7")[2]


def test_a_bar_of_what_fails_does_not_end_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    def fail() -> None:
        with progress.step("list"):
            progress.advance(7)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert "7/7" not in capsys.readouterr().err


def test_what_follows_the_last_item_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("write", 2, then="publishing"):
        progress.advance()
        progress.advance()
        # At once, not at the end of the block.
        (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"write: 2 of 2 images, [\d,]+/s, now publishing", line)
    assert capsys.readouterr().err == ""


def test_all_is_done_at_the_end_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("write", 70):
        progress.advance(40)
        progress.complete()
    assert capsys.readouterr().err.splitlines()[-1].startswith("write: 70 of 70 images, ")


def test_work_that_is_done_twice_never_passes_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("write", 3):
        progress.advance(2)
        progress.advance(2)
    assert capsys.readouterr().err.startswith("write: 3 of 3 images, ")


def test_the_rate_leaves_out_the_wait_for_the_first_item(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.step("write", 21):
        now = 100.0
        progress.advance()
        now = 102.0
        progress.advance(20)
    assert capsys.readouterr().err.splitlines()[-1] == "write: 21 of 21 images, 10/s"


def on_terminal(code: str, columns: int) -> list[str]:
    """Runs Python's code on a terminal; returns the lines that it shows, one after the other."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown: list[bytes] = []
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: read(ours), b"")))
    reader.start()
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, stdout=theirs, stderr=theirs, env=environment, check=True, timeout=300)
    os.close(theirs)
    reader.join(60)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(shown).decode()).splitlines()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_fits_into_its_line(columns: int) -> None:
    lines = on_terminal(LARGE, columns)
    assert any("123456/234567" in line for line in lines)
    assert max(len(part) for line in lines for part in line.split("\r")) <= columns


LARGE = """
from etl import progress
with progress.step("list and digest", 234_567):
    progress.advance(100_000)
    progress.advance(23_456)
"""


def test_long_lines_beside_a_bar_stay_whole() -> None:
    lines = on_terminal(ANSWERS, 60)
    for stream in ("out", "err"):
        for number in range(3):
            assert f'{{"{stream}": {number}, "probabilities": {[0.125] * 30}}}' in lines


ANSWERS = """
import sys
from etl import progress
with progress.step("predict", 3):
    for number in range(3):
        for name in ("out", "err"):
            stream = {"out": sys.stdout, "err": sys.stderr}[name]
            print(f'{{"{name}": {number}, "probabilities": {[0.125] * 30}}}', file=stream)
        progress.advance()
"""


def test_a_bar_leaves_standard_output_and_what_is_kept_back_alone(tmp_path: Path) -> None:
    """Standard error is a terminal, standard output a file, as in `… > answers.jsonl`."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: read(ours), b"")))
    shown: list[bytes] = []
    reader.start()
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", STEPS], stdout=out, stderr=theirs, check=True, timeout=300)
    os.close(theirs)
    reader.join(60)
    os.close(ours)
    assert (tmp_path / "out").read_text() == "".join(f"line {n}\n" for n in range(3))
    assert b"3/3" in b"".join(shown)


STEPS = """
from etl import cli, progress
with progress.step("predict", 3):
    for n in range(3):
        with cli.quiet_stderr():
            progress.advance()
        print("line", n)
"""


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    # A terminal whose other end is closed.
    except OSError:
        return b""


def test_nobody_listens_outside_a_step() -> None:
    progress.advance()
    with pytest.raises(ValueError, match="inside"), progress.step("a"):
        raise ValueError("inside")
    progress.advance()
