"""The last step: joined in order, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import DatasetError
from etl.storage.publishing import OvertakenError
from trainer.serving.batch.gather import finalise, unfinished_runs, version
from trainer.serving.batch.job import SUMMARY_NAME, Job, UnitResult


def make_job(folder: Path) -> Job:
    return Job(
        run_id="r1",
        model_dir="model",
        input="in.jsonl",
        num_bytes=30,
        output=str(folder / "out [1].jsonl"),
        num_units=3,
        batch_size=1,
        num_threads=1,
    )


def make_result(job: Job, index: int, start: int, end: int, attempt: str = "a") -> UnitResult:
    path = Path(job.building_dir) / f"{index}.{attempt}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"%d\n" % index * 2)
    return UnitResult(index, str(path), start, end, 2, {"not_json": 1} if index else {})


def test_units_are_joined_in_order_and_again(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    # The second unit has no line of its own: one of the first reaches beyond it.
    results = [make_result(job, 2, 22, 30), make_result(job, 0, 0, 22), make_result(job, 1, 22, 22)]
    results.append(make_result(job, 0, 0, 22, attempt="b"))
    for _ in range(2):
        finalise(job, iter(results))
        assert Path(job.output).read_bytes() == b"0\n0\n1\n1\n2\n2\n"
    summary = json.loads((Path(job.building_dir) / SUMMARY_NAME).read_text(encoding="utf-8"))
    assert summary == {"num_instances": 6, "failed": {"not_json": 2}}


@pytest.mark.parametrize("places", [[(0, 10), (10, 20)], [(0, 10), (10, 20), (20, 29)], [(0, 10), (11, 20), (20, 30)]])
def test_what_does_not_add_up_gives_no_output(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    job = make_job(tmp_path)
    results = [make_result(job, index, *place) for index, place in enumerate(places)]
    with pytest.raises(DatasetError, match="in.jsonl: had 30 bytes at the start, and was changed since"):
        finalise(job, results)
    assert not Path(job.output).exists()


def test_an_output_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    results = [make_result(job, index, 10 * index, 10 * index + 10) for index in range(3)]
    Path(job.output).write_text("newer")
    with pytest.raises(OvertakenError, match=r"out \[1\]\.jsonl: another run has written it since this one began"):
        finalise(job, results)
    assert Path(job.output).read_text() == "newer"
    finalise(replace(job, replaces=version(job.output)), results)
    assert Path(job.output).read_text() == "0\n0\n1\n1\n2\n2\n"


def test_only_this_outputs_runs_are_listed(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    for name in ("out [1].jsonl.building-r2", "out 1.jsonl.building-r3", "other.building-r4"):
        (tmp_path / name).mkdir()
    assert list(unfinished_runs(job.output)) == [f"{job.output}.building-r2"]
