"""The process that runs rows: `python -m benchmarks.harness.child MODULE ARGUMENTS`, started by `RowProcess`.

MODULE has `make_rows(**arguments)`, which returns name to function; a function returns facts about its run, as a
dictionary, or None. Names arrive on standard input, one a line; for each a line of JSON goes back.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    module, arguments = sys.argv[1], json.loads(sys.argv[2])
    if cores := arguments.pop("cores", None):
        # Before TensorFlow sizes its thread pools.
        os.sched_setaffinity(0, cores)
    # What anything prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    rows: dict[str, Callable[[], dict[str, Any] | None]] = importlib.import_module(module).make_rows(**arguments)
    print(json.dumps(list(rows)), file=answers)
    for line in sys.stdin:
        print(json.dumps(_run(rows[json.loads(line)])), file=answers)


def _run(row: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    # User and system time of all threads, like os.times, but not in steps of 10 ms.
    cpu_start, start = time.process_time(), time.perf_counter()
    facts = row()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return {"wall_seconds": wall, "cpu_seconds": cpu, "facts": facts or {}}


if __name__ == "__main__":
    main()
