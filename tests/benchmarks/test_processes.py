"""Rows in processes of their own, by turns and together."""

from __future__ import annotations

import pytest

from benchmarks.harness.machine import usable_cores
from benchmarks.harness.processes import Measurement, RowProcess, run_together, take_turns
from benchmarks.harness.recording import median_fact, rates_of, ratio
from tests.benchmarks.rows import BUSY_SECONDS

MODULE = "tests.benchmarks.rows"


def test_rows_take_turns_after_warming_up() -> None:
    with RowProcess(MODULE, {}) as process:
        measured = take_turns([process], 2, warm_up=1)
    assert list(measured) == ["note", "chatter"]
    assert measured["chatter"][-1].facts["order"] == ["note", "note", "chatter", "note", "chatter"]


def test_all_rows_are_warmed_up_unless_told() -> None:
    with RowProcess(MODULE, {}) as process:
        measured = take_turns([process], 1)
    assert [rounds[0].facts["number"] for rounds in measured.values()] == [3, 4]


def test_the_environment_and_the_cores_reach_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETAL_ONE", "removed")
    core = usable_cores()[-1]
    environment = {"PETAL_ONE": None, "PETAL_TWO": "set"}
    with RowProcess(MODULE, {"factor": 2}, environment=environment, cores=[core]) as process:
        facts = process.run("describe").facts
    assert facts["environment"] == {"PETAL_ONE": None, "PETAL_TWO": "set"}
    assert facts["cores"] in ([core], [])


def test_processor_time_is_the_processes_own() -> None:
    with RowProcess(MODULE, {"factor": 2}) as process:
        measurement = process.run("busy")
    assert measurement.cpu_seconds >= BUSY_SECONDS
    assert measurement.wall_seconds > 0


def test_numbers_add_up_over_processes() -> None:
    with RowProcess(MODULE, {"factor": 2}) as one, RowProcess(MODULE, {"factor": 3}) as other:
        together = run_together([one, other], "note")
    assert together.facts == {"number": 5}


def test_a_failed_row_says_why() -> None:
    with (
        RowProcess(MODULE, {"factor": 2}) as process,
        pytest.raises(RuntimeError, match="ValueError: this row fails on purpose"),
    ):
        process.run("fail")


def test_a_process_that_cannot_start_says_why() -> None:
    with RowProcess("tests.benchmarks.nothing", {}) as process, pytest.raises(RuntimeError, match="No module named"):
        process.wait_until_ready()


def test_quotients_are_taken_round_by_round() -> None:
    # The quotient of the medians would be 2.
    assert ratio([1.0, 8.0, 4.0], [2.0, 2.0, 1.0]) == 4.0


def test_rates_come_from_the_facts() -> None:
    rounds = [Measurement(9.0, 9.0, {"num_items": number, "seconds": 2.0}) for number in (10, 20, 60)]
    assert rates_of(rounds) == [5.0, 10.0, 30.0]
    assert median_fact(rounds, "num_items") == 20.0
