from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import DatasetError
from etl.format.manifest import Manifest
from tests.datasets import write_dataset
from trainer import ingest
from trainer.ingest import IngestConfig

CONFIG = IngestConfig(batch_size=4)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write_dataset(tmp_path, variants=("embedding",), splits={"train": 9, "test": 3})


def first_shard(folder: Path, manifest: Manifest) -> Path:
    return folder / "embedding" / manifest.variants["embedding"].splits["train"].shards[0].name


@pytest.mark.parametrize("level", ["size", "full"])
def test_a_missing_shard_is_named(tmp_path: Path, manifest: Manifest, level: str) -> None:
    path = first_shard(tmp_path, manifest)
    path.unlink()
    with pytest.raises(DatasetError, match=rf"1 of 3 shards are damaged: {path.name} is missing"):
        ingest.load(tmp_path, "train", CONFIG.replace(verify=level))


@pytest.mark.parametrize("level", ["size", "full"])
def test_a_cut_shard_is_named_with_both_sizes(tmp_path: Path, manifest: Manifest, level: str) -> None:
    path = first_shard(tmp_path, manifest)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=rf"{path.name} has {size - 1:,} bytes instead of {size:,}"):
        ingest.load(tmp_path, "train", CONFIG.replace(verify=level))


def test_a_flipped_bit_is_found_by_reading_everything(tmp_path: Path, manifest: Manifest) -> None:
    path = first_shard(tmp_path, manifest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=rf"{path.name} does not have the SHA-256"):
        ingest.load(tmp_path, "train", CONFIG.replace(verify="full"))
    ingest.load(tmp_path, "train", CONFIG)


def test_whole_shards_pass_and_other_splits_do_not_matter(tmp_path: Path, manifest: Manifest) -> None:
    first_shard(tmp_path, manifest).unlink()
    ingest.load(tmp_path, "test", CONFIG.replace(verify="full"))
    ingest.load(tmp_path, "train", CONFIG.replace(verify="none"))


def test_many_damaged_shards_are_counted(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, variants=("embedding",), splits={"train": 9}, num_shards=5)
    for shard in manifest.variants["embedding"].splits["train"].shards:
        (tmp_path / "embedding" / shard.name).unlink()
    with pytest.raises(DatasetError, match=r"5 of 5 shards are damaged: .*; and 2 more$"):
        ingest.load(tmp_path, "train", CONFIG)
