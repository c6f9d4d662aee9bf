"""Caches in files: filled by several readers, left by dead ones, shared once they are complete."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ConfigError
from tests.trainer.ingest.batches import assert_equal, collect, epoch, labels
from tests.trainer.ingest.conftest import NUM_TRAIN
from trainer import ingest
from trainer.ingest import IngestConfig

ROOT = Path(__file__).parents[3]

DIE = """
import os, signal, sys
from trainer import ingest
cached = {"cache": "file", "cache_of": sys.argv[3], "cache_dir": sys.argv[2]}
config = ingest.IngestConfig(batch_size=3, image_size=16, prefetch=0, **cached)
batches = iter(ingest.load(sys.argv[1], "train", config, variant="jpeg"))
next(batches)
if sys.argv[4] == "wait":
    print("filling", flush=True)
    sys.stdin.read()
    print(sum(len(labels) for _, labels in batches) + 3)
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def fields(cache_dir: Path, cache_of: str) -> dict[str, Any]:
    return {"batch_size": 3, "image_size": 16, "cache": "file", "cache_of": cache_of, "cache_dir": str(cache_dir)}


def start(folder: Path, cache_dir: Path, cache_of: str, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DIE, str(folder), str(cache_dir), cache_of, how]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("cache_of", ["records", "examples", "batches"])
def test_what_a_killed_reader_left_is_cleared_away(tiny: Path, tmp_path: Path, cache_of: str) -> None:
    killed = start(tiny, tmp_path, cache_of, "die")
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    left = set(tmp_path.iterdir())
    assert any("lockfile" in path.name for path in left)
    expected = epoch(tiny, "jpeg", batch_size=3, image_size=16)
    assert_equal(epoch(tiny, "jpeg", **fields(tmp_path, cache_of)), expected)
    assert not left & set(tmp_path.iterdir())
    # Only what is complete, and the lock of the process that filled it: this one.
    assert len(list(tmp_path.glob("*.index"))) == 1
    assert len(list(tmp_path.glob(".*.lock"))) == 1
    assert_equal(epoch(tiny, "jpeg", **fields(tmp_path, cache_of)), expected)
    assert len(list(tmp_path.glob("*.index"))) == 1


def test_readers_at_once_leave_each_other_alone(tiny: Path, tmp_path: Path) -> None:
    other = start(tiny, tmp_path, "records", "wait")
    assert other.stdout is not None
    assert other.stdout.readline() == "filling\n"
    own = fields(tmp_path, "records")
    assert sorted(labels(epoch(tiny, "jpeg", **own))) == list(range(NUM_TRAIN))
    assert other.communicate(input="")[0] == f"{NUM_TRAIN}\n"
    # Both are complete and stay: somebody may be reading either.
    assert len(list(tmp_path.glob("*.index"))) == 2
    assert sorted(labels(epoch(tiny, "jpeg", **own))) == list(range(NUM_TRAIN))


def test_iterators_at_once_and_those_that_stop_fill_none_twice(tiny: Path, tmp_path: Path) -> None:
    dataset = ingest.load(tiny, "train", IngestConfig(**fields(tmp_path, "examples")), variant="jpeg")
    one, two = iter(dataset), iter(dataset)
    next(one)
    next(two)
    del one
    assert len(collect(dataset.take(2))) == 2
    whole = collect(dataset)
    assert sorted(labels(whole)) == list(range(NUM_TRAIN))
    assert len(collect(two)) == len(whole) - 1
    assert_equal(collect(dataset), whole)


def test_epochs_differ_though_the_records_are_cached(tiny: Path, tmp_path: Path) -> None:
    own = {**fields(tmp_path, "records"), "training": True, "seed": 3}
    dataset = ingest.load(tiny, "train", IngestConfig(**own), variant="jpeg")
    found = [collect(dataset) for _ in range(3)]
    memory = {**own, "cache": "memory", "cache_dir": None}
    for number, batches in enumerate(found):
        assert_equal(batches, epoch(tiny, "jpeg", **memory, epoch=number))


def test_a_folder_that_can_not_be_written_is_named(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cache_dir: got '.*/file/cache', expected a folder that can be written; "):
        epoch(tiny, "jpeg", **fields(tmp_path / "file" / "cache", "records"))
