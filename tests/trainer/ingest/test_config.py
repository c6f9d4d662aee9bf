from __future__ import annotations

from typing import Any

import pytest

from etl.errors import ConfigError
from trainer.ingest import PRESETS, IngestConfig, preset


def test_the_defaults_are_those_that_the_design_names() -> None:
    config = IngestConfig()
    assert (config.batch_size, config.size, config.training, config.random_crop) == (64, None, False, True)
    assert (config.seed, config.epoch, config.first_epoch) == (0, None, 0)
    assert (config.shard, config.start_step) == ((0, 1), 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 2.5),
        ("batch_size", True),
        ("seed", -1),
        ("epoch", -1),
        ("first_epoch", None),
        ("start_step", None),
        ("image_size", 0),
        ("image_size", (224,)),
        ("image_size", (224, -1)),
        ("image_size", "224"),
        ("shard", (1, 1)),
        ("shard", (-1, 2)),
        ("shard", (0,)),
        ("shard", 3),
        ("shuffle_buffer", -1),
        ("cycle_length", 0),
        ("block_length", 0),
        ("parallel_reads", 0),
        ("map_parallelism", 0),
        ("private_threads", 0),
        ("prefetch", -1),
        ("memory_budget_mb", 0),
        ("resize", "fit"),
        ("dtype", "float16"),
        ("cache", "disk"),
        ("cache_of", "images"),
        ("verify", "md5"),
        ("crop_area", (0.0, 1.0)),
        ("crop_area", (0.5, 1.5)),
        ("crop_area", 0.5),
        ("crop_ratio", (2.0, 1.0)),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{field}: got ") as caught:
        IngestConfig(**{field: value})
    assert caught.value.field == field
    assert caught.value.got == value


def test_an_epoch_for_all_iterations_leaves_none_to_begin_with() -> None:
    with pytest.raises(ConfigError, match="first_epoch: got 2, expected 0, since epoch says which one every iteration"):
        IngestConfig(epoch=1, first_epoch=2)


def test_a_file_cache_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="cache_dir: got None, expected a folder"):
        IngestConfig(cache="file")


@pytest.mark.parametrize(("given", "size"), [(None, None), (224, (224, 224)), ((10, 20), (10, 20))])
def test_one_side_means_a_square(given: Any, size: Any) -> None:
    assert IngestConfig(image_size=given).size == size


def test_replace_refuses_fields_that_do_not_exist() -> None:
    assert IngestConfig().replace(epoch=3).epoch == 3
    with pytest.raises(ConfigError, match="batchsize: got 3, expected one of batch_size"):
        IngestConfig().replace(batchsize=3)
    with pytest.raises(ConfigError, match="epoch: got -1"):
        IngestConfig().replace(epoch=-1)


def test_every_preset_is_a_row_that_tensorflow_leaves_alone() -> None:
    assert {"plain", "parallel_map", "interleave", "interleave_parallel_map"} <= set(PRESETS)
    assert {"prefetch", "cache", "prefetch_cache"} <= set(PRESETS)
    for name in PRESETS:
        config = preset(name)
        assert (config.rewrite, config.autotune, config.whole_batches) == (False, False, False), name
    assert (preset("plain").map_parallelism, preset("plain").parallel_reads, preset("plain").prefetch) == (1, 1, 0)
    assert preset("batch_16").batch_size == 16
    assert preset("plain", image_size=448, epoch=2).replace(epoch=None) == preset("plain", image_size=448)


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset: got 'fast', expected one of plain, parallel_map"):
        preset("fast")
