"""Runs on Dataflow: what is checked before anything starts, what the workers get, the job as the service gets it."""

from __future__ import annotations

# Names that Beam takes for its Dataflow runner, in lower case and without the module before them.
_NAMES = frozenset({"dataflow", "dataflowrunner", "testdataflowrunner"})


def is_dataflow(runner: str | None) -> bool:
    """Tells whether a `--runner` is Dataflow's."""
    return runner is not None and runner.rpartition(".")[2].lower() in _NAMES
