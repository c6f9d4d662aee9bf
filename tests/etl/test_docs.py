"""The documents' code runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf

from etl import run
from etl.errors import REASONS
from etl.sources.files.names import IGNORED
from tests.photos import make_folder

DOCS = Path(__file__).parents[2] / "docs"


def programs() -> list[str]:
    """Returns the Python programs of the data format's page, in order."""
    return re.findall(r"```python\n(.*?)```", (DOCS / "data_format.md").read_text(), re.S)


def num_lines(program: str) -> int:
    return sum(1 for line in program.splitlines() if line)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos"), 24)


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("made") / "OUT"
    assert run.main(["--source", "folder", "--input", str(photos), "--output", str(output)]) == 0
    return output


def test_every_reason_and_every_kind_is_explained() -> None:
    text = (DOCS / "data_format.md").read_text()
    assert [name for name in (*REASONS, *IGNORED) if f"\n| `{name}` | " not in text] == []


def test_they_need_nothing_of_ours() -> None:
    assert not [program for program in programs() if re.search(r"\b(etl|trainer)\b", program)]


def test_ten_lines_read_it(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, _ = programs()
    assert num_lines(program) <= 10
    exec(program.replace('"OUT"', repr(str(made))), {})
    printed = capsys.readouterr().out
    assert "daisy" in printed
    assert ", 3)" in printed


def test_five_lines_fetch_one_record(made: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, program = programs()
    assert num_lines(program) <= 5
    monkeypatch.chdir(made.parent)
    names: dict[str, tf.train.Example] = {}
    exec(program, names)
    (image,) = names["example"].features.feature["image"].bytes_list.value
    assert image == (photos / "daisy" / "0000.jpg").read_bytes()
