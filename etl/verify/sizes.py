"""Checks which shards are there, and how long they are, without reading any."""

from __future__ import annotations

import io

from etl import storage
from etl.errors import limits
from etl.format.layout import SHARD_SUFFIX
from etl.format.manifest import Manifest, Shard, Variant
from etl.paths import join


def verify_sizes(data_dir: str, manifest: Manifest) -> list[str]:
    """Checks that the shards are those that the manifest names, each as long as it says; reads none.

    Args:
        data_dir: The data set's folder.
        manifest: Its manifest.

    Returns:
        The problems found, one line each.
    """
    problems = []
    for variant in manifest.variants.values():
        problems += find_stray_files(data_dir, variant)
        for split in variant.splits.values():
            for shard in split.shards:
                path = join(data_dir, variant.name, shard.name)
                problems += [f"{variant.name}/{shard.name}: {problem}" for problem in _check_size(path, shard)]
    return problems


def _check_size(path: str, shard: Shard) -> list[str]:
    try:
        with storage.open_stream(path) as file:
            num_bytes = file.seek(0, io.SEEK_END)
    except FileNotFoundError:
        return ["the file is missing"]
    except OSError as error:
        return [f"it can't be read: {limits.reason(error)}"]
    return [] if num_bytes == shard.num_bytes else [describe_size(num_bytes, shard)]


def describe_size(num_bytes: int, shard: Shard) -> str:
    """Says that a shard has another size than its manifest says."""
    return f"{num_bytes:,} bytes, the manifest says {shard.num_bytes:,}"


def find_stray_files(data_dir: str, variant: Variant) -> list[str]:
    """Finds shards that the manifest doesn't name."""
    named = {shard.name for split in variant.splits.values() for shard in split.shards}
    names = (path.rpartition("/")[2] for path in storage.list_files(join(data_dir, variant.name)))
    return [
        f"{variant.name}/{name}: not in the manifest" for name in names if SHARD_SUFFIX in name and name not in named
    ]
