"""Time to the first batch, and memory, each in a process that has just started.

    pytest benchmarks/test_startup.py --data DIR

Steps: TensorFlow's import, `load` (the manifest, the shards' sizes, tracing), the first batch. Memory: resident before
the data set is loaded, behind the first batch, and at its highest over an epoch.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import CHAPTER_SIDE, MODEL_SIDE, Datasets
from benchmarks.harness.machine import IS_LINUX, peak_mb, resident_mb
from benchmarks.harness.processes import Measurement, RowProcess
from benchmarks.harness.recording import REPLAYED, Measured, median_fact, record
from benchmarks.harness.sizes import Size
from etl.cli import load_tensorflow
from trainer import ingest

pytestmark = [REPLAYED, pytest.mark.skipif(not IS_LINUX, reason="memory is told by /proc, on Linux alone")]

TRAINING = ingest.IngestConfig(batch_size=64, training=True, epoch=0)
CHAPTERS = {"image_size": CHAPTER_SIDE, "batch_size": 32}
# Row to the data set, the variant and the configuration.
ROWS = {
    "JPEG, random crop to 224": ("images", "jpeg", TRAINING.replace(image_size=MODEL_SIDE)),
    "pixels, 224x224 uint8": ("images", "pixel", TRAINING),
    "embeddings": ("embeddings", "embedding", TRAINING),
    "the chapter's data, plain": ("chapter", "pixel", ingest.preset("plain", **CHAPTERS)),
    "the chapter's data, prefetch + cache": ("chapter", "pixel", ingest.preset("prefetch_cache", **CHAPTERS)),
}
FACTS = ("import_seconds", "load_seconds", "first_batch_seconds", "before_mb", "first_batch_mb", "peak_mb")


def make_rows(row: str, data_dir: str) -> dict[str, Callable[[], dict[str, Any]]]:
    return {row: lambda: start(row, data_dir)}


def start(row: str, data_dir: str) -> dict[str, float]:
    """Does once what a training script does first; a process can do it only once."""
    _, variant, config = ROWS[row]
    clock = [time.perf_counter()]
    load_tensorflow()
    clock.append(time.perf_counter())
    before = resident_mb()
    batches = iter(ingest.load(data_dir, "train", config, variant=variant))
    clock.append(time.perf_counter())
    next(batches)
    clock.append(time.perf_counter())
    first = resident_mb()
    for _ in batches:
        pass
    seconds = [after - earlier for earlier, after in itertools.pairwise(clock)]
    return dict(zip(FACTS, [*seconds, before, first, peak_mb()], strict=True))


@pytest.fixture(scope="module")
def measured(datasets: Datasets, size: Size) -> Measured:
    rounds: dict[str, list[Measurement]] = {row: [] for row in ROWS}
    for _ in range(size.num_starts):
        for row, (name, _, _) in ROWS.items():
            arguments = {"row": row, "data_dir": str(getattr(datasets, name))}
            with RowProcess("benchmarks.test_startup", arguments) as process:
                whole = process.run(row)
            seconds = whole.facts["load_seconds"] + whole.facts["first_batch_seconds"]
            rounds[row].append(Measurement(seconds, whole.cpu_seconds, whole.facts))
    return rounds


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    facts = {name: median_fact(measured[row], name) for name in FACTS}
    record(benchmark, "start-up", row, measured, size, num_images=size.num_images, **facts)
