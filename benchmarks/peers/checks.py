"""Whether a peer delivers what ours does: a reader that does less must not be measured beside one that does more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers.peer import BATCH_SIZE, SIDE

# Of 255. Windows are drawn at random, and everybody scales in another way; a wrong order of channels, a wrong scale or
# windows of another size make a larger difference.
_MEAN_TOLERANCE = 4.0


def find_faults(facts: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Compares what `child.describe` said of a peer's epoch with what it said of ours.

    Args:
        facts: Of the peer, with `expected_images`.
        ours: Of ours, of the same deliverable.

    Returns:
        What is wrong, one sentence each; empty if the same was delivered.
    """
    faults = []
    if facts["num_images"] != facts["expected_images"]:
        faults.append(f"an epoch has {facts['num_images']} images, expected {facts['expected_images']}")
    if [list(shape) for shape in facts["shapes"]] != [[SIDE, SIDE, 3]]:
        faults.append(f"images have the shapes {facts['shapes']}, expected {SIDE}x{SIDE}x3")
    if facts["dtypes"] != ["uint8"]:
        faults.append(f"images are {', '.join(facts['dtypes'])}, expected uint8")
    if facts["largest_batch"] != BATCH_SIZE:
        faults.append(f"the largest batch has {facts['largest_batch']} images, expected {BATCH_SIZE}")
    if facts["label_counts"] != ours["label_counts"]:
        faults.append("labels occur in other numbers than ours: images are lost, doubled or mislabelled")
    if abs(facts["mean"] - ours["mean"]) > _MEAN_TOLERANCE:
        faults.append(f"the mean pixel is {facts['mean']:.1f}, ours {ours['mean']:.1f}")
    if facts.get("checksum") != ours.get("checksum"):
        faults.append("the pixels are not those that were stored")
    return faults
