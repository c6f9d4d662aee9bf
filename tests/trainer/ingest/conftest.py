"""Tiny data sets that the tests of `trainer.ingest` only read; each example has a class of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets import write_dataset

NUM_TRAIN = 22
CLASS_NAMES = tuple(f"class-{number}" for number in range(34))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22 training examples in three shards of seven or eight: JPEG of many sizes, 32x48 pixels, embeddings."""
    folder = tmp_path_factory.mktemp("tiny")
    write_dataset(folder, class_names=CLASS_NAMES)
    return folder


@pytest.fixture(scope="session")
def tiny_floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures in the chapter's own format: floats from 0 to 1, flattened, each in its own size, GZIP."""
    folder = tmp_path_factory.mktemp("floats")
    write_dataset(folder, variants=("pixel",), pixel_dtype="float32", compression="gzip", class_names=CLASS_NAMES)
    return folder
