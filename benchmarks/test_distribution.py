"""Training on one device and on more: what two logical processors of one machine, and two processes, make of a step.

    pytest benchmarks/test_distribution.py

The chapter goes from one GPU to two, and twice as much hardware does the work. Logical processors are no hardware: they
share the cores that one device already uses, so those rows show what distribution costs. The workers are processes that
have one core each, as if each were a machine: there two have twice as much.
"""

from __future__ import annotations

import contextlib

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.machine import IS_LINUX, usable_cores
from benchmarks.harness.processes import Measurement, RowProcess, run_together, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, record
from benchmarks.harness.sizes import Size
from benchmarks.harness.workers import GLOBAL_BATCH_SIZE, ROW, SIDE, cluster, row_name

pytestmark = REPLAYED

MODULE = "benchmarks.harness.workers"
DEVICES = (1, 2)
WORKERS = {1: "1 worker on one core", 2: "2 workers on a core each"}


@pytest.fixture(scope="module")
def devices(size: Size) -> Measured:
    with RowProcess(MODULE, {"num_steps": size.num_steps, "devices": DEVICES}) as process:
        return take_turns([process], size.rounds)


@pytest.fixture(scope="module")
def workers(size: Size) -> Measured:
    cores = usable_cores()
    measured: dict[str, list[Measurement]] = {row: [] for row in WORKERS.values()}
    with contextlib.ExitStack() as stack:
        groups = {
            number: [
                stack.enter_context(
                    RowProcess(MODULE, {"num_steps": size.num_steps}, environment=environment, cores=[core])
                )
                for environment, core in zip(cluster(number), cores, strict=False)
            ]
            for number in WORKERS
        }
        for is_warm in (False, *[True] * size.rounds):
            for number, processes in groups.items():
                measurement = run_together(processes, ROW)
                if is_warm:
                    measured[WORKERS[number]].append(measurement)
    return measured


def what(size: Size) -> dict[str, int | str]:
    return {"num_images": size.num_steps * GLOBAL_BATCH_SIZE, "image": f"{SIDE}x{SIDE}", "batch": GLOBAL_BATCH_SIZE}


@pytest.mark.parametrize("row", [row_name(number) for number in DEVICES])
def test_devices(benchmark: BenchmarkFixture, devices: Measured, size: Size, row: str) -> None:
    record(benchmark, "distribution: devices", row, devices, size, **what(size))


@pytest.mark.skipif(not IS_LINUX or len(usable_cores()) < 2, reason="needs Linux and two cores")
@pytest.mark.parametrize("row", WORKERS.values())
def test_workers(benchmark: BenchmarkFixture, workers: Measured, size: Size, row: str) -> None:
    record(benchmark, "distribution: workers", row, workers, size, **what(size))
