"""Longer data sets of the same shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.shards import repeat_shards
from etl.format import manifest
from tests.datasets import write_dataset


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_repeated_data_set_is_whole(tmp_path: Path, compression: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_dataset(source, variants=("pixel",), splits={"train": 7}, num_shards=2, compression=compression)
    target = repeat_shards(source, tmp_path / "target", 20)
    split = manifest.load(target).variants["pixel"].splits["train"]
    assert split.num_examples == sum(shard.num_examples for shard in split.shards) == 21
    assert split.num_bytes == sum((target / "pixel" / shard.name).stat().st_size for shard in split.shards)
    assert len({shard.name for shard in split.shards}) == 6
    assert sum(split.class_counts.values()) == 21
