from __future__ import annotations

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


def test_nobody_listens_outside_a_step() -> None:
    progress.advance()
    with pytest.raises(ValueError, match="inside"), progress.step("a"):
        raise ValueError("inside")
    progress.advance()
