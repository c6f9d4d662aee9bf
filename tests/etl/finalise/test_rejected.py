"""A run of which too many inputs are rejected says which, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl import run
from etl.errors import DatasetError, run_main
from etl.finalise import rejected
from etl.records import Rejection
from tests.photos import jpeg, make_folder


@pytest.mark.parametrize(
    ("counts", "read", "fraction", "is_too_many"),
    [
        ({}, 10, 0.0, False),
        ({"empty": 1}, 100, 0.01, False),
        ({"empty": 2}, 100, 0.01, True),
        ({"empty": 1, "missing": 1}, 100, 0.01, True),
        ({"empty": 3}, 3, 1.0, True),
        ({"empty": 2}, 3, 1.0, False),
    ],
)
def test_the_threshold_is_a_fraction_of_the_inputs(
    counts: dict[str, int], read: int, fraction: float, is_too_many: bool
) -> None:
    assert rejected.is_too_many(counts, read, fraction) is is_too_many


def test_the_first_inputs_are_shown_with_their_own_messages(tmp_path: Path) -> None:
    rejections = [Rejection(f"line {number}", "u", "list", "malformed_row", f"1 cell {number}") for number in range(9)]
    message = (
        r"9 of 100 inputs were rejected, 9\.0%, and --max_rejected_fraction is 0\.01; the commonest reason: "
        r"malformed_row \(.*\), 9 times; for example line 0: 1 cell 0; line 1: 1 cell 1; .*; see .*rejected\.jsonl"
    )
    with pytest.raises(DatasetError, match=message):
        rejected.fail({"malformed_row": 9}, 100, 0.01, rejections, str(tmp_path))
    lines = (tmp_path / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [f"line {number}" for number in range(9)]


def test_all_of_them_are_more_than_any_fraction() -> None:
    with pytest.raises(DatasetError, match="all 3 inputs were rejected, so there is nothing to write; .* 3 times$"):
        rejected.fail({"empty": 3}, 3, 1.0, [], None)


@pytest.mark.parametrize(
    ("num_read", "message"),
    [
        (1, r"^the only input was rejected, so there is nothing to write; the commonest reason: empty \(.*\), 1 time$"),
        (9, r"^1 of 9 inputs was rejected, 11\.1%, and .*; the commonest reason: empty \(.*\), 1 time$"),
    ],
)
def test_one_of_them_is_spoken_of_as_one(num_read: int, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        rejected.fail({"empty": 1}, num_read, 0.0, [], None)


def test_the_list_of_a_data_set_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = make_folder(tmp_path / "photos", 12), tmp_path / "out"
    arguments = ["--source", "folder", "--input", str(photos), "--output", str(out), "--overwrite"]
    assert run_main(run.main, arguments) == 0
    for number in range(4):
        (photos / "roses" / f"cut{number}.jpg").write_bytes(jpeg(number)[:700])
    assert run_main(run.main, arguments) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "for example roses/cut" in line
    assert f"see {out}/rejected.failed.jsonl" in line
    assert (out / "rejected.jsonl").read_text() == ""
    assert len((out / "rejected.failed.jsonl").read_text().splitlines()) == 4
    assert run_main(run.main, [*arguments, "--max_rejected_fraction", "0.5"]) == 0
    assert not (out / "rejected.failed.jsonl").exists()


def test_a_run_that_fails_at_once_keeps_its_list_and_a_dry_run_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text("path,label\na.jpg\nb.jpg\n")
    arguments = ["--source", "csv", "--input", str(tmp_path / "list.csv"), "--output", str(tmp_path / "out")]
    assert run_main(run.main, [*arguments, "--dry_run"]) == 1
    assert not (tmp_path / "out").exists()
    assert run_main(run.main, arguments) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "line 2: 1 cell instead of 2; " in line
    assert len((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()) == 2
