from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, DatasetError
from etl.format import layout
from tests.datasets import write_dataset
from trainer import ingest
from trainer.ingest import IngestConfig
from trainer.ingest.config import RESIZES
from trainer.ingest.plan import resolve


def test_the_resizes_are_those_of_the_decode_function() -> None:
    from etl.images.graph import decoding

    assert RESIZES == decoding.RESIZES


def test_photographs_of_many_sizes_need_an_image_size(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"image_size: got None, expected a height and width .* differ in size"):
        ingest.load(tiny, "train", variant="jpeg")


def test_embeddings_have_no_image_size(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"image_size: got 224, expected None: .* holds no images"):
        ingest.load(tiny, "train", IngestConfig(image_size=224), variant="embedding")


@pytest.mark.parametrize(("split", "variant"), [("trian", "pixel"), ("train", "pixels"), ("train", None)])
def test_a_split_or_variant_that_does_not_exist_is_refused(tiny: Path, split: str, variant: str | None) -> None:
    with pytest.raises(ConfigError, match=r"expected one of (train, validation, test|jpeg, pixel, embedding)"):
        ingest.load(tiny, split, variant=variant)


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no manifest.json, so no complete data set"):
        ingest.load(tmp_path / "nowhere", "train")


def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, variants=("embedding",))
    path = tmp_path / layout.MANIFEST_NAME
    path.write_text(path.read_text().replace('"num_examples": 22', '"num_examples": 23'))
    with pytest.raises(DatasetError, match="embedding/train has shards that don't add up to its count"):
        ingest.load(tmp_path, "train")


def test_a_start_behind_the_epoch_is_refused(tiny: Path) -> None:
    config = IngestConfig(batch_size=8, start_step=4)
    with pytest.raises(ConfigError, match=r"start_step: got 4, expected 0 to 3, the batches of one epoch"):
        ingest.load(tiny, "train", config, variant="embedding")


def test_a_batch_larger_than_the_epoch_is_refused_where_the_remainder_is_dropped(tiny: Path) -> None:
    config = IngestConfig(batch_size=23, drop_remainder=True)
    with pytest.raises(ConfigError, match=r"batch_size: got 23, expected at most 22"):
        ingest.load(tiny, "train", config, variant="embedding")


def test_windows_are_not_cached(tiny: Path) -> None:
    config = IngestConfig(training=True, image_size=16, cache="memory", cache_of="batches")
    with pytest.raises(ConfigError, match=r"cache_of: got 'batches', expected 'records' where windows are drawn"):
        ingest.load(tiny, "train", config, variant="jpeg")
    ingest.load(tiny, "train", config.replace(random_crop=False), variant="jpeg")


def test_a_cache_that_does_not_fit_the_budget_is_refused(tiny: Path) -> None:
    config = IngestConfig(image_size=1000, cache="memory", cache_of="batches", memory_budget_mb=65)
    with pytest.raises(ConfigError, match=r"cache: got 'memory', expected to fit into memory_budget_mb=65; .* 66 MB"):
        ingest.load(tiny, "train", config, variant="jpeg")


@pytest.mark.parametrize(("budget_mb", "expected"), [(1, 52), (2, 104), (1000, 200)])
def test_the_shuffle_buffer_fits_a_quarter_of_the_budget(tmp_path: Path, budget_mb: int, expected: int) -> None:
    """A record of 32x48 pixels takes 4.8 kB."""
    write_dataset(tmp_path, variants=("pixel",), splits={"train": 200})
    config = IngestConfig(training=True, batch_size=2, memory_budget_mb=budget_mb)
    plan = resolve(tmp_path, "train", config)
    assert plan.shuffle_buffer == pytest.approx(expected, abs=1)
    assert resolve(tmp_path, "train", config.replace(shuffle_buffer=7)).shuffle_buffer == 7
    assert resolve(tmp_path, "train", config.replace(training=False)).shuffle_buffer == 0


def test_a_compressed_record_counts_with_its_size_in_memory(tmp_path: Path) -> None:
    write_dataset(tmp_path, variants=("pixel",), image_size=(64, 64), pixel_dtype="float32", compression="gzip")
    plan = resolve(tmp_path, "train", IngestConfig())
    assert plan.mean_record_bytes == 64 * 64 * 3 * 4
    assert plan.split.num_bytes / plan.split.num_examples < plan.mean_record_bytes


@settings(max_examples=30)
@given(count=st.integers(1, 40), batch_size=st.integers(1, 30), drop_remainder=st.booleans())
def test_workers_share_all_records_evenly(tiny: Path, count: int, batch_size: int, drop_remainder: bool) -> None:
    read: list[int] = []
    for index in range(count):
        config = IngestConfig(batch_size=batch_size, shard=(index, count))
        plan = resolve(tiny, "train", config, "embedding")
        assert plan.num_records in (22 // count, 22 // count + 1)
        assert plan.steps_per_epoch == -(-plan.num_records // batch_size)
        assert plan.num_records + plan.num_padding == plan.steps_per_epoch * batch_size
        if drop_remainder and plan.num_records >= batch_size:
            dropping = resolve(tiny, "train", config.replace(drop_remainder=True), "embedding")
            assert dropping.steps_per_epoch == plan.num_records // batch_size
            assert dropping.num_padding == 0
        read += range(*plan.record_range)
    assert read == list(range(22))
