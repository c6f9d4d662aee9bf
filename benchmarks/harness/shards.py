"""Longer data sets of the same shards, by links."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from etl.format import layout, manifest


def repeat_shards(source: Path, target: Path, num_examples: int) -> Path:
    """Makes a data set that holds another one's training shards as often as needed.

    What happens once an epoch then weighs as little as in a large data set, though the files fit into the page cache.

    Args:
        source: A data set's folder.
        target: The new folder.
        num_examples: How many examples the new data set holds at least.

    Returns:
        `target`.
    """
    content = manifest.load(source)
    variants = {name: _repeat(source, target, variant, num_examples) for name, variant in content.variants.items()}
    repeated = dataclasses.replace(content, variants=variants)
    (target / layout.MANIFEST_NAME).write_text(manifest.to_json(repeated), encoding="utf-8")
    return target


def _repeat(source: Path, target: Path, variant: manifest.Variant, num_examples: int) -> manifest.Variant:
    split = variant.splits["train"]
    times = math.ceil(num_examples / split.num_examples)
    is_compressed = variant.compression != "none"
    folder = target / variant.name
    folder.mkdir(parents=True)
    shards = []
    for index, shard in enumerate(split.shards * times):
        name = layout.shard_name("train", index, times * len(split.shards), compressed=is_compressed)
        (folder / name).symlink_to((source / variant.name / shard.name).resolve())
        shards.append(dataclasses.replace(shard, name=name))
    repeated = manifest.Split(
        name="train",
        num_examples=times * split.num_examples,
        num_bytes=times * split.num_bytes,
        class_counts={name: times * count for name, count in split.class_counts.items()},
        shards=tuple(shards),
    )
    return dataclasses.replace(variant, splits={"train": repeated})
