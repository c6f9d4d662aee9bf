"""Runs all peers in turns, each in a process of its own in the peers' environment."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import usable_cores
from benchmarks.harness.processes import Measurement, RowProcess
from benchmarks.peers import registry
from benchmarks.peers.checks import find_faults
from benchmarks.peers.peer import DELIVERABLES, JPEG, Corpus
from benchmarks.peers.proctree import PeakMemory, pids_of

# As many as the smallest machine has, so that every result is of the same.
_NUM_CORES = 2
_MODULE = "benchmarks.peers.child"
# So that nothing that a peer prints of itself comes before its reason to fail, and no peer asks a server anything.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "NO_ALBUMENTATIONS_UPDATE": "1", "PYTHONWARNINGS": "ignore"}


@dataclass(slots=True)
class Outcome:
    """What became of one peer.

    Attributes:
        reason: Why it isn't in the tables; "" where it is.
        is_installed: False where the reason is that.
        facts: Of the peer: `versions`, `import_seconds`, `first_batch_seconds`, `peak_mb`, `missing`.
        deliverables: Deliverable to its facts: `num_workers`, `trials` (workers to images a second), `prepare_seconds`,
            `prepared_bytes`, `is_converted`, `mean`.
        rounds: Deliverable to what was measured.
    """

    reason: str = ""
    is_installed: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    deliverables: dict[str, dict[str, Any]] = field(default_factory=dict)
    rounds: dict[str, list[Measurement]] = field(default_factory=dict)


def run(python: str, corpus: Corpus, folder: Path, rounds: int, pass_seconds: float) -> dict[str, Outcome]:
    """Runs everything.

    Args:
        python: The interpreter of the peers' environment.
        corpus: The photographs.
        folder: Where the peers may write.
        rounds: How often each peer reads each deliverable.
        pass_seconds: How long each time, at least.

    Returns:
        Peer's key to its outcome, in the registry's order.

    Raises:
        RuntimeError: ours failed.
    """
    outcomes = {key: Outcome() for key in registry.PEERS}
    with contextlib.ExitStack() as stack:
        shared = {"corpus": corpus.to_json(), "pass_seconds": pass_seconds}
        arguments = {key: {"peer": key, "folder": str(folder / key), **shared} for key in outcomes}
        # All of them before any stays: processes that share libraries would share the memory that is counted.
        for key, outcome in outcomes.items():
            _say(f"{key}: convert, try, start")
            with _keep_reason(key, outcome):
                _start_fresh(python, arguments[key], outcome)
        processes: dict[str, RowProcess] = {}
        for key, outcome in outcomes.items():
            if not outcome.reason:
                _say(f"{key}: check")
                processes[key] = stack.enter_context(_process(python, arguments[key]))
                with _keep_reason(key, outcome):
                    _get_ready(processes[key], outcome)
        _compare(outcomes)
        for number in range(rounds):
            _say(f"round {number + 1} of {rounds}")
            for deliverable in DELIVERABLES:
                for key, outcome in outcomes.items():
                    if outcome.reason or deliverable not in outcome.deliverables:
                        continue
                    with _keep_reason(key, outcome):
                        measured = processes[key].run(f"read {deliverable}")
                        outcome.rounds.setdefault(deliverable, []).append(_of_all_processes(measured))
    return outcomes


@contextlib.contextmanager
def _process(python: str, arguments: Mapping[str, Any]) -> Iterator[RowProcess]:
    """Starts a peer's process, and ends it together with its workers."""
    cores = usable_cores()[:_NUM_CORES]
    with RowProcess(_MODULE, arguments, environment=_ENVIRONMENT, cores=cores, python=python) as process:
        try:
            yield process
        finally:
            workers = [pid for pid in pids_of(process.pid) if pid != process.pid]
            process.close()
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _start_fresh(python: str, arguments: Mapping[str, Any], outcome: Outcome) -> None:
    """Imports, converts, chooses the number of workers; then, in a new process, times the start and looks at memory."""
    with _process(python, arguments) as process:
        loaded = dict(process.run("load").facts)
        if "reason" in loaded:
            outcome.reason, outcome.is_installed = f"not installed: {loaded['reason']}", False
            return
        outcome.facts |= {name: loaded[name] for name in ("versions", "missing")}
        for deliverable in DELIVERABLES:
            if deliverable not in loaded["missing"]:
                outcome.deliverables[deliverable] = _prepare(process, deliverable, loaded["workers"])
    with _process(python, arguments) as process:
        loaded = dict(process.run("load").facts)
        outcome.facts["import_seconds"] = loaded["seconds"]
        chosen = outcome.deliverables[JPEG]["num_workers"]
        outcome.facts["first_batch_seconds"] = process.run(f"keep {JPEG} {chosen}").facts["seconds"]
        with PeakMemory(process.pid) as memory:
            process.run(f"check {JPEG}")
        outcome.facts["peak_mb"] = memory.peak_mb


def _prepare(process: RowProcess, deliverable: str, workers: Sequence[int]) -> dict[str, Any]:
    prepared = process.run(f"prepare {deliverable}").facts
    trials = {}
    for number in workers:
        tried = process.run(f"try {deliverable} {number}").facts
        trials[number] = tried["num_items"] / tried["seconds"]
    return {
        "num_workers": max(trials, key=lambda number: trials[number]),
        "trials": {str(number): rate for number, rate in trials.items()},
        "prepare_seconds": prepared["seconds"],
        "prepared_bytes": prepared["num_bytes"],
        "is_converted": prepared["is_converted"],
    }


def _get_ready(process: RowProcess, outcome: Outcome) -> None:
    """Opens every deliverable as it will be read, and keeps what an epoch of it was like."""
    process.run("load")
    for deliverable, facts in outcome.deliverables.items():
        process.run(f"keep {deliverable} {facts['num_workers']}")
        facts["check"] = dict(process.run(f"check {deliverable}").facts)
        facts["mean"] = facts["check"]["mean"]


def _compare(outcomes: Mapping[str, Outcome]) -> None:
    """Compares what everybody delivered with what we did."""
    ours = {deliverable: facts["check"] for deliverable, facts in outcomes[registry.OURS].deliverables.items()}
    for key, outcome in outcomes.items():
        faults = [
            f"{deliverable}: {fault}"
            for deliverable, facts in outcome.deliverables.items()
            if not outcome.reason
            for fault in find_faults(facts["check"], ours[deliverable])
        ]
        if faults:
            outcome.reason = f"does not deliver the same: {'; '.join(faults)}"
            _say(f"{key} {outcome.reason}")


def _of_all_processes(measured: Measurement) -> Measurement:
    """Replaces the processor time of the process by that of its workers too."""
    return Measurement(measured.facts["seconds"], measured.facts["cpu_seconds"], measured.facts)


@contextlib.contextmanager
def _keep_reason(key: str, outcome: Outcome) -> Iterator[None]:
    """Keeps the reason for which a peer fails, so that the others go on; ours may not fail."""
    try:
        yield
    except RuntimeError as error:
        if key == registry.OURS:
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        outcome.reason = f"failed: {lines[-1]}"
        _say(f"{key}: {error}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def remove(folder: Path) -> None:
    """Removes what was written: gigabytes."""
    shutil.rmtree(folder, ignore_errors=True)
