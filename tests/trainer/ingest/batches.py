"""Loads a data set and takes its batches apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainer import ingest
from trainer.ingest import IngestConfig

Batch = tuple[np.ndarray, np.ndarray]


def collect(dataset: Any) -> list[Batch]:
    """Returns every batch's images and labels."""
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def epoch(folder: Path, variant: str, split: str = "train", **fields: Any) -> list[Batch]:
    """Returns the batches of one epoch."""
    return collect(ingest.load(folder, split, IngestConfig(**fields), variant=variant))


def epochs(folder: Path, variant: str, number: int, **fields: Any) -> list[Batch]:
    """Returns the batches of several epochs that are loaded as one data set."""
    return collect(ingest.load_epochs(folder, "train", IngestConfig(**fields), number, variant=variant))


def labels(batches: list[Batch]) -> list[int]:
    """Returns all labels in order; where each example has a class of its own they say which ones came."""
    return [int(label) for _, part in batches for label in part]


def by_label(batches: list[Batch]) -> dict[int, np.ndarray]:
    """Returns each example's image under its label."""
    return {int(label): image for images, part in batches for image, label in zip(images, part, strict=True)}


def assert_equal(some: list[Batch], others: list[Batch]) -> None:
    """Asserts that batches are equal to the last bit."""
    assert [part.tolist() for _, part in some] == [part.tolist() for _, part in others]
    for (one, _), (other, _) in zip(some, others, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
