"""Whether a peer that delivers less, more or something else is found out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from benchmarks.peers.checks import find_faults
from benchmarks.peers.child import describe

NUM_IMAGES = 130


def draw(*, number: int = NUM_IMAGES) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    return random.integers(0, 256, (number, 224, 224, 3), np.uint8), np.arange(number) % 5


def batches(images: np.ndarray, labels: np.ndarray, size: int = 64) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(images[first : first + size], labels[first : first + size]) for first in range(0, len(images), size)]


def look(given: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    return {**describe(given, has_exact_pixels=True), "expected_images": NUM_IMAGES}


OURS = look(batches(*draw()))


def test_the_same_in_another_order_and_layout_is_the_same() -> None:
    images, labels = draw()
    order = np.random.default_rng(4).permutation(NUM_IMAGES)
    other = look(batches(images[order].transpose(0, 3, 1, 2), labels[order][:, np.newaxis]))
    assert find_faults(other, OURS) == []
    assert other["label_counts"] == {str(label): NUM_IMAGES // 5 for label in range(5)}
    assert other["largest_batch"] == 64


def doubled(images: np.ndarray, labels: np.ndarray) -> list[Any]:
    images, labels = images.copy(), labels.copy()
    images[1], labels[1] = images[0], labels[0]
    return batches(images, labels)


def swapped_channels(images: np.ndarray, labels: np.ndarray) -> list[Any]:
    return batches(images[..., ::-1], labels)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda images, labels: batches(images[:-1], labels[:-1]), "an epoch has 129 images, expected 130"),
        (lambda images, labels: batches(images[:, :200], labels), "shapes .*200, 224, 3.*expected 224x224x3"),
        (lambda images, labels: batches(images.astype(np.float32), labels), "images are float32, expected uint8"),
        (lambda images, labels: batches(images, labels, 32), "largest batch has 32 images, expected 64"),
        (doubled, "labels occur in other numbers"),
        (lambda images, labels: batches(images // 2, labels), "the mean pixel is 63.*, ours 127"),
        (swapped_channels, "the pixels are not those that were stored"),
    ],
)
def test_a_difference_is_told(make: Any, fault: str) -> None:
    faults = find_faults(look(make(*draw())), OURS)
    assert any(re.search(fault, found) for found in faults), faults


def test_windows_have_no_checksum() -> None:
    facts = describe(batches(*draw()), has_exact_pixels=False)
    assert "checksum" not in facts
    assert facts["mean"] == pytest.approx(127.5, abs=1.0)
