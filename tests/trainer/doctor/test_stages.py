"""The measured stages do what the pipeline does; how fast they are is no matter of tests."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.format.manifest import Manifest
from tests.datasets import write_dataset
from trainer.doctor import alternatives, limits, stages
from trainer.doctor.sample import read_records, take_sample
from trainer.ingest import IngestConfig, load
from trainer.ingest import plan as plans
from trainer.ingest.plan import Plan

# The order on disk, so that the sample and the pipeline hold the same images at the same places.
IN_ORDER = {"shuffle_files": False, "shuffle_buffer": 0, "cycle_length": 1, "batch_size": 8}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "windows of JPEGs": ("jpeg", {"training": True, "image_size": 24}),
    "whole JPEGs": ("jpeg", {"image_size": (20, 28)}),
    "whole JPEGs as floats": ("jpeg", {"image_size": 24, "dtype": "float32", "resize": "crop"}),
    "pixels as they are": ("pixel", {"training": True}),
    "pixels one by one": ("pixel", {"whole_batches": False}),
    "windows of pixels": ("pixel", {"training": True, "image_size": 24}),
    "pixels resized": ("pixel", {"image_size": (16, 24)}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    write_dataset(path)
    return path


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chapter's own format: flattened floats in GZIP files, every image in its own size."""
    path = tmp_path_factory.mktemp("floats")
    write_dataset(path, variants=("pixel",), pixel_dtype="float32", compression="gzip")
    return path


def resolve(folder: Path, variant: str, **changes: Any) -> Plan:
    return plans.resolve(folder, "train", IngestConfig(**{**IN_ORDER, **changes}), variant)


@pytest.mark.parametrize("way", WAYS)
def test_the_decode_stage_gives_the_pipelines_images(way: str, folder: Path) -> None:
    variant, changes = WAYS[way]
    plan = resolve(folder, variant, **changes)
    images = stages.decode_sample(take_sample(plan))
    assert images is not None
    expected = load(folder, "train", plan.config, variant=variant)
    pairs = list(zip(images.as_numpy_iterator(), expected.as_numpy_iterator(), strict=False))
    assert len(pairs) >= 2
    for measured, (wanted, _) in pairs:
        assert measured.dtype == wanted.dtype
        np.testing.assert_array_equal(measured, wanted)


@pytest.mark.parametrize("changes", [{"image_size": 24}, {"image_size": 24, "training": True}])
def test_the_decode_stage_takes_lists_of_floats_too(changes: dict[str, Any], floats: Path) -> None:
    plan = resolve(floats, "pixel", **changes)
    images = stages.decode_sample(take_sample(plan))
    assert images is not None
    expected = load(floats, "train", plan.config)
    for measured, (wanted, _) in zip(images.as_numpy_iterator(), expected.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(measured, wanted)


def test_embeddings_are_not_decoded(folder: Path) -> None:
    sample = take_sample(resolve(folder, "embedding"))
    assert stages.decode_step(sample) is None
    assert stages.parse_step(sample)() == 8


def test_the_sample_is_the_split_in_its_order(folder: Path) -> None:
    plan = resolve(folder, "jpeg", image_size=24, training=True)
    sample = take_sample(plan)
    assert len(sample.records) == 22
    keys = [key.decode() for key in sample.parsed()["key"].numpy()]
    assert keys == [f"image-{number}.jpg" for number in range(22)]
    assert [len(batch) for batch in sample.batches()] == [8, 8]


def test_a_split_smaller_than_a_batch_is_one_batch(folder: Path) -> None:
    sample = take_sample(resolve(folder, "pixel", batch_size=64))
    assert [len(batch) for batch in sample.batches()] == [22]
    assert stages.parse_step(sample)() == 22


@pytest.mark.parametrize(("variant", "changes"), [("jpeg", {"image_size": 24, "training": True}), ("pixel", {})])
def test_every_step_counts_its_images(variant: str, changes: dict[str, Any], folder: Path) -> None:
    plan = resolve(folder, variant, **changes)
    sample = take_sample(plan)
    made: list[Callable[[], int] | None] = [
        stages.read_step(plan),
        stages.parse_step(sample),
        stages.decode_step(sample),
    ]
    for step in made:
        assert step is not None
        assert [step() for _ in range(2)] == [8, 8]


def test_reading_starts_over_at_the_end(folder: Path) -> None:
    records = read_records(resolve(folder, "jpeg", image_size=24), 3)
    assert sum(1 for _ in records) == 3 * 22


def test_augmenting_takes_the_whole_batch() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 16, 16, 3), np.uint8)
    step = stages.augment_step(images)
    assert [step(), step()] == [6, 6]


def test_a_copy_to_the_device_takes_the_whole_batch() -> None:
    assert stages.transfer_step(np.zeros((5, 8, 8, 3), np.uint8), "/CPU:0")() == 5


@pytest.mark.parametrize("start", [0.0, 0.4, 0.5, 0.9])
def test_the_bare_reader_reads_every_byte_over_and_over(start: float, folder: Path) -> None:
    plan = resolve(folder, "jpeg", image_size=24)
    content = b"".join(Path(path).read_bytes() for path in plan.paths)
    blocks = limits.read_blocks(plan, start)
    read = b""
    while len(read) < 3 * len(content):
        size, block = next(blocks)
        assert size == len(block) > 0
        read += bytes(block)
    begin = (content * 2).index(read[: len(content)])
    assert read == (content * 5)[begin : begin + len(read)]


def test_the_bare_reader_unpacks(floats: Path) -> None:
    plan = resolve(floats, "pixel", image_size=24)
    packed = [Path(path).read_bytes() for path in plan.paths]
    blocks = limits.read_blocks(plan, 0.5)
    found = [next(blocks) for _ in packed]
    assert [size for size, _ in found] == [len(packed[place]) for place in (1, 2, 0)]
    assert [block for _, block in found] == [gzip.decompress(packed[place]) for place in (1, 2, 0)]


def test_the_limits_are_rates_of_images(folder: Path, floats: Path) -> None:
    jpegs = resolve(folder, "jpeg", image_size=24)
    assert limits.time_copy(jpegs, 2, 0.05).slowest > 0
    assert limits.time_copy(resolve(floats, "pixel", image_size=24), 3, 0.05).slowest > 0
    assert limits.decode_files_step(take_sample(jpegs))() == 8


@pytest.mark.parametrize(("training", "size"), [(True, (14, 18)), (False, (12, 16))])
def test_large_photographs_are_tried_smaller(training: bool, size: tuple[int, int], folder: Path) -> None:
    sample = take_sample(resolve(folder, "jpeg", image_size=(12, 16), training=training))
    found = alternatives.try_smaller_jpegs(sample, 0.05)
    assert found is not None
    assert (found.kind, found.size, found.is_windowed) == ("smaller_jpeg", size, training)
    assert found.rate > 0


def test_what_is_small_already_is_not(folder: Path) -> None:
    sample = take_sample(resolve(folder, "jpeg", image_size=60))
    assert alternatives.try_smaller_jpegs(sample, 0.05) is None


def test_pixels_are_tried_on_images_that_were_decoded(folder: Path) -> None:
    sample = take_sample(resolve(folder, "jpeg", image_size=24))
    images = np.zeros((8, 24, 24, 3), np.uint8)
    # Reading 1,000 bytes a second binds: an example of 24 x 24 pixels has a little more than 1,728.
    found = alternatives.try_pixels(sample, images, 1_000.0, 0.05)
    assert found is not None
    assert 0.4 < found.rate < 1_000 / 1_728
    assert alternatives.try_pixels(take_sample(resolve(folder, "pixel")), images, 1_000.0, 0.05) is None


def test_only_variants_that_give_the_same_images_are_tried(folder: Path) -> None:
    assert alternatives.same_images(resolve(folder, "jpeg", image_size=(32, 48))) == ["pixel"]
    assert alternatives.same_images(resolve(folder, "jpeg", image_size=24)) == []
    assert alternatives.same_images(resolve(folder, "pixel")) == ["jpeg"]
    assert alternatives.same_images(resolve(folder, "embedding")) == []


def test_variants_without_the_split_are_not_tried(folder: Path) -> None:
    plan = resolve(folder, "jpeg", image_size=(32, 48))
    pixel = dataclasses.replace(plan.manifest.variants["pixel"], splits={})
    manifest: Manifest = dataclasses.replace(plan.manifest, variants={**plan.manifest.variants, "pixel": pixel})
    assert alternatives.same_images(dataclasses.replace(plan, manifest=manifest)) == []
