"""Table 7-4: the linear model by batch size.

    pytest benchmarks/test_table_7_4.py --data DIR

Interleaved, mapped in parallel and prefetched, without a cache.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness import chapter
from benchmarks.harness.datasets import CHAPTER_SIDE, Datasets
from benchmarks.harness.recording import REPLAYED, Measured, record
from benchmarks.harness.sizes import Size
from trainer.ingest import preset

pytestmark = REPLAYED

TABLE = "7-4"
BATCH_SIZES = (1, 8, 16, 32)
ROWS = {f"batch {size}": preset(f"batch_{size}", image_size=CHAPTER_SIDE) for size in BATCH_SIZES}


def make_rows(data_dir: str, num_epochs: int) -> dict[str, Callable[[], None]]:
    return chapter.make_rows(chapter.train_linear, ROWS, data_dir, num_epochs)


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    return chapter.measure("benchmarks.test_table_7_4", str(datasets.chapter), size.num_epochs, size.rounds)


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    info = {"num_photographs": size.num_photographs, "num_epochs": size.num_epochs}
    record(benchmark, TABLE, row, measured, size, **info)
