from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainer.doctor import machine

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what it caches")


@needs_linux
def test_a_file_just_written_is_in_the_page_cache(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    path.write_bytes(bytes(1_000_001))
    empty = tmp_path / "empty"
    empty.touch()
    assert machine.cached_share([str(path), str(empty)]) == 1.0


def test_of_nothing_no_share_is_known(tmp_path: Path) -> None:
    assert machine.cached_share([str(tmp_path / "missing")]) is None
    assert machine.cached_share([]) is None


def test_object_stores_have_no_page_cache() -> None:
    assert machine.cached_share(["gs://bucket/shard"]) is None


@needs_linux
def test_some_memory_is_free() -> None:
    free = machine.free_memory_bytes()
    assert free is not None
    assert 0 < free < 1 << 50


def test_the_load_is_a_number() -> None:
    assert machine.load_average() >= 0
