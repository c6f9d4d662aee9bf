"""Table 7-2: training a linear model, one image a batch.

    pytest benchmarks/test_table_7_2.py --data DIR

Flatten and dense softmax on 448x448 floats.
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

TABLE = "7-2"
ROWS = {
    "plain": preset("plain", image_size=CHAPTER_SIDE),
    "parallel map": preset("parallel_map", image_size=CHAPTER_SIDE),
    "interleave": preset("interleave", image_size=CHAPTER_SIDE),
    "interleave + parallel map": preset("interleave_parallel_map", image_size=CHAPTER_SIDE),
}


def make_rows(data_dir: str, num_epochs: int) -> dict[str, Callable[[], None]]:
    return chapter.make_rows(chapter.train_linear, ROWS, data_dir, num_epochs)


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    return chapter.measure("benchmarks.test_table_7_2", str(datasets.chapter), size.num_epochs, size.rounds)


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    info = {"num_photographs": size.num_photographs, "num_epochs": size.num_epochs}
    record(benchmark, TABLE, row, measured, size, **info)
