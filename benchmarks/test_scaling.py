"""Reading with several workers: each a process with one core and its own share of the records.

    pytest benchmarks/test_scaling.py --data DIR

One core each, as if each were a host: what n of them read in a second, beside n times what one reads.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import MODEL_SIDE, Datasets
from benchmarks.harness.machine import IS_LINUX, usable_cores
from benchmarks.harness.processes import Measurement, RowProcess, run_together
from benchmarks.harness.recording import REPLAYED, Measured, rates_of, ratio, record_rate
from benchmarks.harness.sizes import Size
from trainer import ingest

pytestmark = [REPLAYED, pytest.mark.skipif(not IS_LINUX, reason="processes can be kept to cores on Linux alone")]

CORES = usable_cores()
MAX_WORKERS = 8
NUM_WORKERS = [number for number in range(1, MAX_WORKERS + 1) if number <= len(CORES)]
NUM_EPOCHS = 2
ROW = "read"


def make_rows(data_dir: str, shard: list[int]) -> dict[str, Callable[[], dict[str, Any]]]:
    config = ingest.IngestConfig(training=True, epoch=0, image_size=MODEL_SIDE, shard=(shard[0], shard[1]))
    batches = ingest.load_epochs(data_dir, "train", config, NUM_EPOCHS, variant="jpeg")

    def read() -> dict[str, Any]:
        start = time.perf_counter()
        num_items = sum(len(labels) for _, labels in batches)
        return {"num_items": num_items, "seconds": time.perf_counter() - start}

    return {ROW: read}


def row_name(number: int) -> str:
    return f"{number} worker{'s' if number > 1 else ''}"


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    rounds: dict[str, list[Measurement]] = {row_name(number): [] for number in NUM_WORKERS}
    with contextlib.ExitStack() as stack:
        groups = {
            number: [
                stack.enter_context(
                    RowProcess(
                        "benchmarks.test_scaling",
                        {"data_dir": str(datasets.images), "shard": (index, number)},
                        cores=[CORES[index]],
                    )
                )
                for index in range(number)
            ]
            for number in NUM_WORKERS
        }
        # The first turn warms up.
        for turn in range(size.rounds + 1):
            for number, processes in groups.items():
                whole = run_together(processes, ROW)
                # Until the slowest is done: that is how long an epoch takes.
                facts = {**whole.facts, "seconds": whole.wall_seconds}
                if turn:
                    rounds[row_name(number)].append(Measurement(whole.wall_seconds, whole.cpu_seconds, facts))
    return rounds


@pytest.mark.parametrize("number", NUM_WORKERS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, number: int) -> None:
    row = row_name(number)
    times = ratio(rates_of(measured[row]), rates_of(measured[row_name(1)]))
    ratios = {"workers_of_one_worker": times, "of_perfect_scaling": round(times / number, 3)}
    record_rate(benchmark, "scaling", row, measured, size, ratios=ratios, num_images=size.num_images)
