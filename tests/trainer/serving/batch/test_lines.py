"""Ranges of bytes: every line in exactly one of them, whatever the cuts."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.serving.batch import lines
from trainer.serving.batch.lines import RangeLines, count_lines, plan_units


@given(
    texts=st.lists(st.text(st.sampled_from("ab\r "), max_size=6).map(str.encode), max_size=12),
    ends_with_newline=st.booleans(),
    cuts=st.lists(st.integers(0, 90), max_size=6),
)
@settings(max_examples=200)
def test_every_line_is_in_one_range(
    texts: list[bytes], ends_with_newline: bool, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"\n".join(texts) + (b"\n" if ends_with_newline else b"")
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(content)
    borders = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    found, place = [], 0
    for start, end in itertools.pairwise(borders):
        read = RangeLines(str(path), start, end)
        found += list(read)
        assert read.start == place
        place = read.end
    assert place == len(content)
    assert found == list(io.BytesIO(content))
    assert count_lines(str(path)) == len(found)


def test_a_line_that_is_too_long_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    path = tmp_path / "lines.txt"
    path.write_bytes(b"0123456789\n" + b"012345678\n" + b"x" * 1000 + b"\nshort\n" + b"y" * 11)
    read = RangeLines(str(path), 0, path.stat().st_size)
    assert list(read) == [None, b"012345678\n", None, b"short\n", None]
    assert read.end == path.stat().st_size


def test_units_follow_the_length_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes((b"x" * 999 + b"\n") * 2_000)
    num_bytes, units = plan_units(str(path))
    assert num_bytes == 2_000_000
    assert [unit.index for unit in units] == [0, 1, 2, 3]
    assert [(unit.start, unit.end) for unit in units] == [
        (0, 512_000),
        (512_000, 1_024_000),
        (1_024_000, 1_536_000),
        (1_536_000, 2_000_000),
    ]


def test_nothing_is_one_unit(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(b"")
    num_bytes, units = plan_units(str(path))
    assert (num_bytes, len(units)) == (0, 1)
    assert list(RangeLines(str(path), units[0].start, units[0].end)) == []


def test_no_file_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--input: got .*nowhere.*, expected a file that exists"):
        plan_units(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="--input: got .*, expected a file that can be read"):
        plan_units(str(tmp_path))
