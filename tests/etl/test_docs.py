"""The documents' code runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl import run
from tests.photos import make_folder

DOCS = Path(__file__).parents[2] / "docs"


def test_the_ten_lines_that_need_nothing_of_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "photos", 24)
    assert run.main(["--source", "folder", "--input", str(folder), "--output", str(tmp_path / "OUT")]) == 0
    capsys.readouterr()
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "data_format.md").read_text(), re.S)
    assert len([line for line in code.splitlines() if line]) <= 10
    assert not re.search(r"\b(etl|trainer)\b", code)
    exec(code.replace('"OUT"', repr(str(tmp_path / "OUT"))), {})
    printed = capsys.readouterr().out
    assert "daisy" in printed
    assert ", 3)" in printed
