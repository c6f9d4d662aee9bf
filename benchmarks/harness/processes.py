"""Rows in a process of their own, which waits between them.

Own processes, because thread pools, the allocator's settings and the logical devices are a process's for good: one
table's must not reach the next. Waiting ones, so that rows of several processes can take turns.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

ROOT = Path(__file__).parents[2]
_NUM_ERROR_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one row.

    Attributes:
        wall_seconds: From its start to its end.
        cpu_seconds: User and system time of the whole process meanwhile.
        facts: What the row says about its run.
    """

    wall_seconds: float
    cpu_seconds: float
    facts: Mapping[str, Any]


class RowProcess:
    """A process that runs the rows of one module; to be used in a `with` statement.

    Args:
        module: Its full name; see `benchmarks.harness.child` for what it must have.
        arguments: For its `make_rows`: what JSON can carry.
        environment: Variables to set, or with None to remove.
        cores: The processor cores that it may use; None for all.
        python: Its interpreter.

    Raises:
        RuntimeError: it failed; the message ends with what it wrote.
    """

    rows: tuple[str, ...]

    def __init__(
        self,
        module: str,
        arguments: Mapping[str, Any],
        *,
        environment: Mapping[str, str | None] | None = None,
        cores: Sequence[int] | None = None,
        python: str = sys.executable,
    ) -> None:
        given = {**arguments, "cores": list(cores)} if cores else dict(arguments)
        variables = {**os.environ, **(environment or {})}
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.harness.child", module, json.dumps(given)],
            cwd=ROOT,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.rows = ()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def __enter__(self) -> RowProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_until_ready(self) -> None:
        """Waits until the module is loaded and its rows are known."""
        if not self.rows:
            self.rows = tuple(self._answer())

    def start(self, row: str) -> None:
        """Starts a row; `finish` waits for it."""
        self.wait_until_ready()
        if self._process.stdin is None:
            raise RuntimeError("the process has no standard input")
        # A process that has died meanwhile is told of by `finish`, with what it wrote.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(row) + "\n")
            self._process.stdin.flush()

    def finish(self) -> Measurement:
        """Returns what was measured of the row that was started."""
        return Measurement(**self._answer())

    def run(self, row: str) -> Measurement:
        """Runs a row and returns what was measured."""
        self.start(row)
        return self.finish()

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            text = self._errors.read().decode(errors="replace")[-_NUM_ERROR_CHARACTERS:]
            raise RuntimeError(f"the process that ran the rows failed:\n{text}")
        return json.loads(line)


def run_together(processes: Sequence[RowProcess], row: str) -> Measurement:
    """Runs a row in several processes at once.

    Returns:
        Wall time from the start to the last one's end, the sum of their CPU times, and of each fact that is a number.
    """
    start = time.perf_counter()
    for process in processes:
        process.start(row)
    parts = [process.finish() for process in processes]
    wall = time.perf_counter() - start
    facts = {
        name: sum(part.facts[name] for part in parts)
        for name, value in parts[0].facts.items()
        if isinstance(value, (int, float))
    }
    return Measurement(wall, sum(part.cpu_seconds for part in parts), facts)


def take_turns(
    processes: Sequence[RowProcess], rounds: int, *, warm_up: int | None = None
) -> dict[str, list[Measurement]]:
    """Runs all rows of some processes `rounds` times, by turns, so that the machine's drift meets each alike.

    Args:
        processes: Whose rows; no two have a row of the same name.
        rounds: How often.
        warm_up: How many of the rows are run once before, for what only a first run pays; None for all.

    Returns:
        Row to its measurements, in the order of the rounds.
    """
    for process in processes:
        process.wait_until_ready()
    turns = [(process, row) for process in processes for row in process.rows]
    for process, row in turns[:warm_up]:
        process.run(row)
    measured: dict[str, list[Measurement]] = {row: [] for _, row in turns}
    for _ in range(rounds):
        for process, row in turns:
            measured[row].append(process.run(row))
    return measured
