"""The part of a run's configuration that variants read."""

from __future__ import annotations

from typing import Protocol


class Settings(Protocol):
    """Fields of `etl.config.EtlConfig`, which says what they mean."""

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that the run writes."""

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width), None for images' own sizes."""

    @property
    def resize(self) -> str:
        """`pad`, `crop` or `stretch`."""

    @property
    def jpeg_quality(self) -> int | None:
        """1 to 100, None where it isn't given."""

    @property
    def pixel_dtype(self) -> str:
        """`uint8` or `float32`."""

    @property
    def compression(self) -> str:
        """`none` or `gzip`."""

    @property
    def embedding_weights(self) -> str | None:
        """`imagenet`, or a file of weights."""

    @property
    def embedding_alpha(self) -> float:
        """The network's width."""

    @property
    def max_pixels(self) -> int:
        """The largest height times width that is decoded."""
