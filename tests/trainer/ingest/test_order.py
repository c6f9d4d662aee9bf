from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError
from tests.datasets import write_dataset
from tests.trainer.ingest.batches import assert_equal, by_label, collect, epoch, epochs, labels
from tests.trainer.ingest.conftest import CLASS_NAMES, NUM_TRAIN
from trainer import ingest
from trainer.ingest import IngestConfig, order
from trainer.ingest.plan import resolve

# One way in which whole batches are parsed, and one in which examples are decoded one by one.
BOTH_PATHS = pytest.mark.parametrize(("variant", "size"), [("embedding", None), ("jpeg", 16)])

MACHINES: list[dict[str, Any]] = [
    {"parallel_reads": 1, "map_parallelism": 1, "prefetch": 0, "rewrite": False},
    {"parallel_reads": 3, "map_parallelism": 8, "prefetch": 5, "private_threads": 3},
    {"autotune": True, "keep_heap": False},
]


@st.composite
def settings_of_a_run(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "batch_size": draw(st.integers(1, 25)),
        "training": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "epoch": draw(st.integers(0, 1000)),
        "shuffle_files": draw(st.sampled_from([None, True, False])),
        "shuffle_buffer": draw(st.sampled_from([None, 0, 1, 5, 100])),
        "cycle_length": draw(st.integers(1, 5)),
        "block_length": draw(st.integers(1, 9)),
        "parallel_reads": draw(st.integers(1, 4)),
        "map_parallelism": draw(st.integers(1, 4)),
        "prefetch": draw(st.integers(0, 3)),
    }


@pytest.mark.parametrize(("variant", "size"), [("embedding", None), ("jpeg", 16)])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_workers_that_share_batches_have_those_of_one_worker(
    tiny: Path, variant: str, size: int | None, drop_remainder: bool
) -> None:
    fields = {"training": True, "seed": 4, "image_size": size, "drop_remainder": drop_remainder}
    together = epochs(tiny, variant, 2, batch_size=6, **fields)
    parts = [epochs(tiny, variant, 2, batch_size=2, shard=(index, 3), share="batches", **fields) for index in range(3)]
    for step, whole in enumerate(together):
        mine = [part[step] for part in parts]
        for index, batch in enumerate(mine):
            for part, all_of_it in zip(batch, whole, strict=True):
                np.testing.assert_array_equal(part, all_of_it[index::3])


def test_a_pattern_chooses_shards(tiny: Path) -> None:
    whole = labels(epoch(tiny, "embedding"))
    first = labels(epoch(tiny, "embedding", pattern="-00000-*"))
    others = labels(epoch(tiny, "embedding", pattern="-0000[12]-of-*"))
    assert first + others == whole
    assert first
    assert others
    with pytest.raises(ConfigError, match="pattern: got '-7', expected what comes behind 'train' in a shard's name"):
        epoch(tiny, "embedding", pattern="-7")


def check_workers_read_everything_once(folder: Path, variant: str, count: int, fields: dict[str, Any]) -> None:
    read: list[int] = []
    for index in range(count):
        config = IngestConfig(**fields, shard=(index, count), image_size=None if variant == "embedding" else 16)
        whole = collect(ingest.load(folder, "train", config, variant=variant))
        read += labels(whole)
        steps = ingest.steps_per_epoch(folder, "train", config, variant=variant)
        assert len(whole) == steps
        start = (config.seed + index) % (steps + 1)
        rest = collect(ingest.load(folder, "train", config.replace(start_step=start), variant=variant))
        assert_equal(rest, whole[start:])
    assert sorted(read) == list(range(NUM_TRAIN))


@settings(max_examples=8)
@given(count=st.sampled_from([1, 2, 3, 5]), fields=settings_of_a_run())
def test_workers_read_every_example_once_and_restart_anywhere(tiny: Path, count: int, fields: dict[str, Any]) -> None:
    check_workers_read_everything_once(tiny, "embedding", count, fields)


@settings(max_examples=4)
@given(count=st.sampled_from([1, 2]), fields=settings_of_a_run())
def test_the_same_for_examples_that_are_decoded_one_by_one(tiny: Path, count: int, fields: dict[str, Any]) -> None:
    check_workers_read_everything_once(tiny, "jpeg", count, fields)


def test_more_workers_than_examples_still_read_each_once(tiny: Path) -> None:
    read: list[int] = []
    for index in range(NUM_TRAIN + 2):
        read += labels(epoch(tiny, "embedding", training=True, shard=(index, NUM_TRAIN + 2)))
    assert sorted(read) == list(range(NUM_TRAIN))


@BOTH_PATHS
def test_two_runs_with_a_seed_are_equal_on_any_machine(tiny: Path, variant: str, size: int | None) -> None:
    fields: dict[str, Any] = {"batch_size": 5, "image_size": size, "training": True, "seed": 3, "epoch": 2}
    first = epoch(tiny, variant, **fields)
    for machine in MACHINES:
        assert_equal(epoch(tiny, variant, **fields, **machine), first)


def test_tensorflows_global_seed_changes_nothing(tiny: Path) -> None:
    fields: dict[str, Any] = {"batch_size": 5, "image_size": 16, "training": True}
    first = epoch(tiny, "jpeg", **fields)
    tf.random.set_seed(99)
    try:
        assert_equal(epoch(tiny, "jpeg", **fields), first)
    finally:
        tf.random.set_seed(None)


@BOTH_PATHS
def test_the_batch_size_changes_neither_order_nor_windows(tiny: Path, variant: str, size: int | None) -> None:
    small = epoch(tiny, variant, batch_size=3, image_size=size, training=True)
    large = epoch(tiny, variant, batch_size=100, image_size=size, training=True)
    assert_equal([tuple(np.concatenate(part) for part in zip(*small, strict=True))], large)  # type: ignore[list-item]


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize("number", [512, 530, 577])
def test_small_records_are_parsed_many_at_once_and_cut_into_batches(
    tmp_path: Path, number: int, drop_remainder: bool
) -> None:
    write_dataset(
        tmp_path, variants=("embedding",), splits={"train": number}, class_names=[f"{index}" for index in range(number)]
    )
    fields: dict[str, Any] = {"batch_size": 64, "training": True, "drop_remainder": drop_remainder}
    sizes = [64] * (number // 64) + ([] if drop_remainder or number % 64 == 0 else [number % 64])
    found = epochs(tmp_path, "embedding", 2, **fields)
    assert [len(part) for _, part in found] == sizes * 2
    singly = {**fields, "whole_batches": False}
    assert_equal(found, epochs(tmp_path, "embedding", 2, **singly))
    assert_equal(epochs(tmp_path, "embedding", 2, **fields, start_step=3), found[3:])
    assert len(set(labels(found[: len(sizes)]))) == sum(sizes)


def test_epochs_and_seeds_have_orders_of_their_own(tiny: Path) -> None:
    orders = [
        tuple(labels(epoch(tiny, "embedding", training=True, seed=seed, epoch=number)))
        for seed, number in itertools.product((0, 1), (0, 1, 2))
    ]
    assert len(set(orders)) == 6
    assert all(sorted(order) == list(range(NUM_TRAIN)) for order in orders)


def test_the_files_alone_are_permuted_too(tmp_path: Path) -> None:
    write_dataset(tmp_path, variants=("embedding",), splits={"train": 6}, num_shards=6, class_names=CLASS_NAMES)
    read = epochs(tmp_path, "embedding", 200, shuffle_files=True, cycle_length=1)
    orders = [tuple(part.tolist()) for _, part in read]
    assert all(sorted(order) == list(range(6)) for order in orders)
    # Of 720 permutations, 200 even draws meet 175.
    assert len(set(orders)) > 150
    # Each file comes first in a sixth of the epochs: 33 of 200, and hardly ever less than 15.
    assert min(Counter(order[0] for order in orders).values()) > 15


@BOTH_PATHS
@pytest.mark.parametrize("cache", ["none", "memory"])
def test_several_epochs_are_those_that_load_gives(tiny: Path, variant: str, size: int | None, cache: str) -> None:
    fields: dict[str, Any] = {"batch_size": 5, "image_size": size, "training": True, "cache": cache}
    parts = [epoch(tiny, variant, **fields, epoch=number) for number in (4, 5, 6)]
    assert_equal(epochs(tiny, variant, 3, **fields, epoch=4), [batch for part in parts for batch in part])
    restarted = epochs(tiny, variant, 2, **fields, epoch=5, start_step=3)
    assert_equal(restarted, parts[1][3:] + parts[2])
    assert_equal(epochs(tiny, variant, 2, **fields, epoch=5, start_step=5), parts[2])
    assert labels(parts[0]) != labels(parts[1])


@BOTH_PATHS
@pytest.mark.parametrize("cache_of", ["examples", "batches"])
def test_cached_examples_repeat_epoch_0(tiny: Path, variant: str, size: int | None, cache_of: str) -> None:
    fields: dict[str, Any] = {"batch_size": 5, "image_size": size, "training": True, "random_crop": False}
    first = epoch(tiny, variant, **fields)
    cached = {**fields, "cache": "memory", "cache_of": cache_of}
    assert_equal(epochs(tiny, variant, 3, **cached, epoch=7, start_step=2), first[2:] + first + first)


def remove_shards(folder: Path) -> None:
    for path in folder.rglob("*.tfrecord"):
        path.unlink()


@pytest.mark.parametrize("cache_of", ["records", "examples", "batches"])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_the_memory_cache_spares_the_files(tmp_path: Path, cache_of: str, drop_remainder: bool) -> None:
    write_dataset(tmp_path, variants=("jpeg",), splits={"train": 7}, class_names=CLASS_NAMES)
    config = IngestConfig(batch_size=3, image_size=16, cache="memory", cache_of=cache_of, drop_remainder=drop_remainder)
    dataset = ingest.load(tmp_path, "train", config)
    first = collect(dataset)
    remove_shards(tmp_path)
    assert_equal(collect(dataset), first)


@pytest.mark.parametrize("cache_of", ["records", "examples", "batches"])
def test_the_file_cache_spares_the_files_of_the_same_shard_only(tmp_path: Path, cache_of: str) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    write_dataset(data, variants=("jpeg",), splits={"train": 7}, class_names=CLASS_NAMES)
    fields: dict[str, Any] = {
        "batch_size": 3,
        "image_size": 16,
        "cache": "file",
        "cache_of": cache_of,
        "cache_dir": str(cache),
        "verify": "none",
    }
    parts = [epoch(data, "jpeg", **fields, shard=(index, 2)) for index in (0, 1)]
    assert sorted(labels(parts[0]) + labels(parts[1])) == list(range(7))
    remove_shards(data)
    for index in (0, 1):
        assert_equal(epoch(data, "jpeg", **fields, shard=(index, 2)), parts[index])
    with pytest.raises(tf.errors.NotFoundError, match="train-00000"):
        epoch(data, "jpeg", **fields)


def test_without_determinism_every_example_still_comes_once(tiny: Path) -> None:
    read = epoch(tiny, "jpeg", batch_size=4, image_size=16, training=True, deterministic=False)
    assert sorted(labels(read)) == list(range(NUM_TRAIN))


def test_windows_differ_for_each_epoch_seed_and_image(tiny: Path) -> None:
    fields: dict[str, Any] = {"image_size": 16, "training": True}
    one = by_label(epoch(tiny, "jpeg", **fields))
    for other in (by_label(epoch(tiny, "jpeg", **fields, epoch=1)), by_label(epoch(tiny, "jpeg", **fields, seed=1))):
        assert sum(np.array_equal(one[label], other[label]) for label in one) == 0
    alone = by_label(epoch(tiny, "jpeg", **fields, shuffle_files=False, shuffle_buffer=0))
    for label, image in one.items():
        np.testing.assert_array_equal(alone[label], image)


@pytest.mark.parametrize("name", list(ingest.PRESETS))
def test_presets_read_every_example_once(tiny_floats: Path, name: str) -> None:
    config = ingest.preset(name, image_size=(20, 24))
    dataset = ingest.load_epochs(tiny_floats, "train", config, 2)
    read = collect(dataset)
    assert sorted(labels(read)) == sorted([*range(NUM_TRAIN), *range(NUM_TRAIN)])
    assert {images.dtype for images, _ in read} == {np.dtype(np.float32)}
    expected = by_label(epoch(tiny_floats, "pixel", image_size=(20, 24), dtype="float32"))
    for label, image in by_label(read).items():
        np.testing.assert_array_equal(image, expected[label])


def test_a_record_draws_by_its_key_the_epoch_and_the_seed(tiny: Path) -> None:
    seeds = {
        tuple(
            order.record_seed(
                resolve(tiny, "train", IngestConfig(seed=seed), "pixel"),
                "window",
                tf.constant(epoch, tf.int64),
                tf.constant(key),
            ).numpy()
        )
        for seed in (0, 1, 2**63 - 1)
        for epoch in (0, 1)
        for key in ("a.jpg", "b.jpg")
    }
    assert len(seeds) == 12
