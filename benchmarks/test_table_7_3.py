"""Table 7-3: the linear model in batches of 32, with caching and prefetching.

    pytest benchmarks/test_table_7_3.py --data DIR

The second epoch comes from the cache, where there is one.
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

TABLE = "7-3"
ROWS = {
    "interleave + parallel": preset("interleave_parallel_map", image_size=CHAPTER_SIDE, batch_size=32),
    "cache": preset("cache", image_size=CHAPTER_SIDE),
    "prefetch + cache": preset("prefetch_cache", image_size=CHAPTER_SIDE),
}


def make_rows(data_dir: str, num_epochs: int) -> dict[str, Callable[[], None]]:
    return chapter.make_rows(chapter.train_linear, ROWS, data_dir, num_epochs)


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    return chapter.measure("benchmarks.test_table_7_3", str(datasets.chapter), size.num_epochs, size.rounds)


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    info = {"num_photographs": size.num_photographs, "num_epochs": size.num_epochs}
    record(benchmark, TABLE, row, measured, size, **info)
