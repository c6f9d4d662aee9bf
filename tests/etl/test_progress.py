from __future__ import annotations

import os
import pty
import subprocess
import sys
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
        with cli.hushed():
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
