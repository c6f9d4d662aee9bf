"""The chapter's ways of reading, by the names of its tables' rows.

Each is one example at a time, as floats from 0 to 1, in the order on disk, with TensorFlow's own rewriting and tuning
off: it would run "plain" in parallel, and the rows would not differ. Give what the chapter's script fixes as overrides,
for example `preset("plain", image_size=448)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from etl.errors import ConfigError
from trainer.ingest.config import IngestConfig

_PLAIN: dict[str, Any] = {
    "batch_size": 1,
    "dtype": "float32",
    "cycle_length": 1,
    "block_length": 1,
    "parallel_reads": 1,
    "map_parallelism": 1,
    "whole_batches": False,
    "prefetch": 0,
    "autotune": False,
    "rewrite": False,
    "keep_heap": False,
}
_PARALLEL_MAP = {**_PLAIN, "map_parallelism": None}
# The chapter reads two halves of its files by turns, each half in a thread.
_INTERLEAVE = {**_PLAIN, "cycle_length": 2, "parallel_reads": 2}
_BOTH = {**_INTERLEAVE, "map_parallelism": None}
# Behind the batches, where it also overlaps with the model; the chapter's own two orders of prefetching and caching
# differ by a few per cent, once one way and once the other.
_PREFETCH = {**_BOTH, "prefetch": 2}
_CACHE = {**_BOTH, "batch_size": 32, "cache": "memory", "cache_of": "examples"}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "plain": _PLAIN,
        "parallel_map": _PARALLEL_MAP,
        "interleave": _INTERLEAVE,
        "interleave_parallel_map": _BOTH,
        "prefetch": _PREFETCH,
        "cache": _CACHE,
        "prefetch_cache": {**_CACHE, "prefetch": 2},
        **{f"batch_{size}": {**_PREFETCH, "batch_size": size} for size in (1, 8, 16, 32)},
    }
)


def preset(name: str, **overrides: Any) -> IngestConfig:
    """Returns the configuration of one row.

    Args:
        name: One of `PRESETS`.
        overrides: Fields of `IngestConfig` to set besides.

    Raises:
        ConfigError: no such preset, or a field that doesn't exist or doesn't take the value.
    """
    if name not in PRESETS:
        raise ConfigError("preset", name, f"one of {', '.join(PRESETS)}")
    return IngestConfig().replace(**{**PRESETS[name], **overrides})
