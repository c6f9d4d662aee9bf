"""Numbers and stages in words, for sentences, tables and the picture alike."""

from __future__ import annotations

from types import MappingProxyType

# What each stage is, at the beginning of a sentence.
STAGE_WORDS = MappingProxyType(
    {
        "read": "Reading the shards",
        "parse": "Parsing the examples",
        "decode": "Decoding the images",
        "transfer": "Copying batches to the device",
        "augment": "Augmenting",
        "step": "The model's step",
    }
)


def rate_text(rate: float) -> str:
    """Formats images a second: three digits or all before the point."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def share_text(share: float) -> str:
    """Formats a share of 1 as a percentage."""
    percent = 100 * share
    return f"{percent:.1f} %" if 0.05 <= percent < 9.95 else f"{percent:.0f} %"


def bytes_text(num_bytes: float) -> str:
    """Formats bytes in powers of a thousand."""
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 999.5:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:,.1f} GB"


def size_text(size: tuple[int, int]) -> str:
    """Formats (height, width) as `--image_size` takes it."""
    return f"{size[0]}" if size[0] == size[1] else f"{size[0]}x{size[1]}"


def seconds_text(seconds: float) -> str:
    """Formats a short time."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
