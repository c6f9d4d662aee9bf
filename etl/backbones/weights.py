"""The weights of a backbone by name or file, for whoever may not load Keras yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Widths of MobileNetV2 of which Keras has ImageNet weights, and whose features number `EMBEDDING_SIZE`.
ALPHAS = (0.35, 0.5, 0.75, 1.0)

# What stands for weights that Keras downloads.
IMAGENET = "imagenet"


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a network's weights come from.

    Attributes:
        source: `IMAGENET`, a file of Keras weights without the top, or None to draw them at random.
        option: The flag that said so, for messages.
        read_bytes: Reads a file that is on no local disk.
    """

    source: str | None
    option: str
    read_bytes: Callable[[str], bytes]
