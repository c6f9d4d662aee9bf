"""The command that makes the same data set again, from the configuration that the manifest keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from etl.config import EtlConfig
from etl.format.manifest import Manifest
from etl.sources import SOURCES

_BYTES_PER_MB = 1_000_000


def command(manifest: Manifest, output: str) -> list[str]:
    """Returns the words of the equivalent command line, options at their defaults left out.

    Args:
        manifest: Of the data set.
        output: The value of `--output`, which is no part of the configuration.

    Returns:
        `python -m etl.run …`; nothing where the manifest has no configuration, or one of a source unknown here.
    """
    config = flatten(manifest.config)
    if config.get("source") not in SOURCES:
        return []
    first = EtlConfig(source=config["source"], output=output)
    defaults = flatten(first.to_dict())
    options = {name: value for name, value in config.items() if name == "source" or value != defaults.get(name)}
    words = ["python", "-m", "etl.run"]
    # In the order in which people write them: what, from where, to where, how.
    for name in ("source", "input"):
        words += _option(name, options.pop(name, None))
    words += ["--output", output]
    for name, value in options.items():
        words += _option(name, value)
    # Not kept, as no byte depends on it; but the run would end where more were rejected than by default.
    counts = manifest.counts
    rejected = sum(counts.rejected.values()) / max(1, counts.read)
    if rejected > first.max_rejected_fraction:
        words += ["--max_rejected_fraction", str(math.ceil(100 * rejected) / 100)]
    return words


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration as one level of names and JSON values, the same from memory and from a file."""
    content = json.loads(json.dumps(dict(config)))
    options = content.pop("options", {})
    return {**content, **{name: value for name, value in options.items() if name not in content}}


def _option(name: str, value: Any) -> list[str]:
    """Returns an option as `etl.run` takes it; most have the name of their field."""
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    if name == "shard_bytes":
        return ["--shard_mb", f"{value / _BYTES_PER_MB:.6f}".rstrip("0").rstrip(".")]
    if name == "splits":
        return ["--splits", ",".join(f"{split}={share!r}" for split, share in value.items())]
    if name == "image_size":
        height, width = value
        return ["--image_size", str(height) if height == width else f"{height}x{width}"]
    if isinstance(value, list):
        return [f"--{name}", ",".join(map(str, value))]
    return [f"--{name}", str(value)]
