"""The command that a page of results names repeats the run that made it."""

from __future__ import annotations

import pytest

from benchmarks.harness import machine


@pytest.mark.parametrize(
    ("targets", "flags", "has_data", "command"),
    [
        (["benchmarks"], [], False, "pytest benchmarks"),
        (["benchmarks/"], ["--full"], True, "pytest benchmarks --full --data DIR"),
        (["benchmarks/peers"], [], True, "PETALSTREAM_DATA=DIR make bench-peers"),
        (["/home/me/benchmarks/peers/test_peers.py::test_one"], [], False, "make bench-peers"),
        (["benchmarks", "benchmarks/peers"], [], False, "pytest benchmarks"),
    ],
)
def test_the_command_is_the_one_that_was_run(
    targets: list[str], flags: list[str], has_data: bool, command: str
) -> None:
    assert machine.command(targets, flags, has_data=has_data) == command
