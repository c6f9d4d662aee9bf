"""How fast each variant is read, beside what bounds it.

    pytest benchmarks/test_ingest_rates.py --data DIR

Files in the page cache, batches of 64. The ratios, in `extra_info` of the row that they are about, are medians of
quotients of rows that ran one soon after the other.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.datasets import Datasets
from benchmarks.harness.deliverables import BATCH_SIZE, NUM_EPOCHS
from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, rates_of, ratio, record_rate
from benchmarks.harness.sizes import Size

pytestmark = REPLAYED

# Row to the ratios that it has: name to the row that it is divided by.
RATIOS: Mapping[str, Mapping[str, str]] = {
    "JPEG, random crop to 224": {"jpeg_crop_of_bare_decode": "bare decode of the JPEGs"},
    "JPEG of shorter side 256, random crop to 224": {
        "jpeg_256_of_jpeg_crop": "JPEG, random crop to 224",
        "jpeg_256_of_bare_decode": "bare decode of the JPEGs of shorter side 256",
    },
    "bare decode of the JPEGs": {},
    "bare decode of the JPEGs of shorter side 256": {},
    "pixels, 224x224 uint8": {
        "pixel_of_unparsed": "the pixels' files, unparsed",
        "pixel_of_unparsed_in_parallel": "the pixels' files, unparsed, two at a time",
        "pixel_of_readinto_and_copy": "the pixels' files, readinto and copy",
        "pixel_of_one_by_one": "pixels, one by one",
    },
    "pixels, one by one": {},
    "the pixels' files, unparsed": {},
    "the pixels' files, unparsed, two at a time": {},
    "the pixels' files, readinto and copy": {},
    "embeddings": {
        "embedding_of_usual": "embeddings, one by one, as usually written",
        "embedding_of_one_by_one": "embeddings, one by one",
        "embedding_of_unparsed": "the embeddings' files, unparsed",
    },
    "embeddings, one by one": {},
    "embeddings, one by one, as usually written": {},
    "the embeddings' files, unparsed": {},
}
CHAPTERS_WAYS = (
    "the chapter's reader, plain",
    "the chapter's reader, interleave + parallel map",
    "the chapter's reader, prefetch + cache",
    "preset interleave + parallel map",
    "preset prefetch + cache",
)
# Row to the name of its ratio to the chapter's best row.
OUR_WAYS = {
    "448x448 float32 from JPEG": "deliverable_from_jpeg_of_chapters_best",
    "448x448 float32 from pixels": "deliverable_from_pixels_of_chapters_best",
    "224x224 uint8 from JPEG, random crop": "model_input_from_jpeg_of_chapters_best",
    "224x224 uint8 from pixels": "model_input_from_pixels_of_chapters_best",
}


@pytest.fixture(scope="module")
def rates(datasets: Datasets, size: Size) -> Measured:
    paths = {
        "images": datasets.long_images,
        "small_jpegs": datasets.long_small_jpegs,
        "embeddings": datasets.long_embeddings,
    }
    arguments = {**{name: str(path) for name, path in paths.items()}, "pass_seconds": size.pass_seconds}
    with RowProcess("benchmarks.harness.rates", arguments) as process:
        # Three times as many: memory bandwidth, which binds here, swings from round to round.
        return take_turns([process], 3 * size.rounds)


@pytest.fixture(scope="module")
def deliverables(datasets: Datasets, size: Size) -> Measured:
    paths = {
        "chapter": datasets.chapter,
        "same": datasets.long_same_photographs,
        "same_448": datasets.long_same_photographs_448,
    }
    arguments = {"paths": {name: str(path) for name, path in paths.items()}, "pass_seconds": size.pass_seconds}
    module = "benchmarks.harness.deliverables"
    with (
        RowProcess(module, {"kind": "chapter", **arguments}) as chapters,
        RowProcess(module, {"kind": "ours", **arguments}) as ours,
    ):
        return take_turns([chapters, ours], size.rounds)


@pytest.mark.parametrize("row", RATIOS)
def test_rate(benchmark: BenchmarkFixture, rates: Measured, size: Size, row: str) -> None:
    ratios = {name: ratio(rates_of(rates[row]), rates_of(rates[other])) for name, other in RATIOS[row].items()}
    facts = {name: fact for name, fact in rates[row][0].facts.items() if name == "decoder"}
    record_rate(benchmark, "rates", row, rates, size, ratios=ratios, num_images=size.num_images, **facts)


@pytest.mark.parametrize("row", [*CHAPTERS_WAYS, *OUR_WAYS])
def test_deliverable(benchmark: BenchmarkFixture, deliverables: Measured, size: Size, row: str) -> None:
    best = max(CHAPTERS_WAYS, key=lambda way: statistics.median(rates_of(deliverables[way])))
    name = OUR_WAYS.get(row, "of_chapters_best")
    ratios = {name: ratio(rates_of(deliverables[row]), rates_of(deliverables[best]))}
    info = {"num_photographs": size.num_photographs, "num_epochs": NUM_EPOCHS, "batch_size": BATCH_SIZE}
    record_rate(benchmark, "deliverables", row, deliverables, size, ratios=ratios, chapters_best=best, **info)
