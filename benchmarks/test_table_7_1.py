"""Table 7-1: looping over the data set.

    pytest benchmarks/test_table_7_1.py --data DIR

Each image's work is the mean of the pixels above a random threshold, drawn once an epoch.
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

TABLE = "7-1"
ROWS = {
    "plain": preset("plain", image_size=CHAPTER_SIDE),
    "parallel map": preset("parallel_map", image_size=CHAPTER_SIDE),
    "interleave": preset("interleave", image_size=CHAPTER_SIDE),
    "interleave + parallel map": preset("interleave_parallel_map", image_size=CHAPTER_SIDE),
    # Not the chapter's: what TensorFlow makes of the first row when nobody stops it.
    "plain, rewritten by TensorFlow": preset("plain", image_size=CHAPTER_SIDE, rewrite=True),
}


def make_rows(data_dir: str, num_epochs: int) -> dict[str, Callable[[], None]]:
    return chapter.make_rows(chapter.loop, ROWS, data_dir, num_epochs)


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    return chapter.measure("benchmarks.test_table_7_1", str(datasets.chapter), size.num_epochs, size.rounds)


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    info = {"num_photographs": size.num_photographs, "num_epochs": size.num_epochs}
    record(benchmark, TABLE, row, measured, size, **info)
