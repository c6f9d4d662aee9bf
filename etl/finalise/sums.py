"""The sums over the units of a run: counts, variants, splits and statistics of the manifest."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable

from etl import sources, storage, variants
from etl.config import EtlConfig
from etl.errors import DatasetError
from etl.finalise import rejected as rejected_inputs
from etl.finalise.facts import PlanFacts
from etl.format import layout
from etl.format.manifest import Counts, Shard, Split, Statistics, Variant
from etl.plan.lines import decode_rejections
from etl.records import UnitResult
from etl.work.unit import STATISTICS_STRIDE


def count_inputs(config: EtlConfig, facts: PlanFacts, results: list[UnitResult]) -> Counts:
    """Adds up the units of each variant, which must agree, since all judge the same inputs."""
    tallies = {}
    for name in config.variants:
        mine = [result for result in results if result.unit.variant == name]
        rejected = Counter(facts.rejected)
        for result in mine:
            rejected.update(result.rejected)
        written = sum(result.num_examples for result in mine)
        tallies[name] = Counts(facts.num_read, written, dict(sorted(rejected.items())), facts.duplicates["images"])
    first = tallies[config.variants[0]]
    for name, tally in tallies.items():
        if tally != first:
            raise DatasetError(
                f"variants {config.variants[0]} and {name} rejected different inputs: {first} and {tally}"
            )
    if rejected_inputs.is_too_many(first.rejected, first.read, config.max_rejected_fraction):
        listed = (decode_rejections(storage.read_bytes(path)) for path in rejected_paths(config, facts, results))
        every = itertools.chain.from_iterable(listed)
        rejected_inputs.fail(first.rejected, first.read, config.max_rejected_fraction, every, config.output)
    return first


def rejected_paths(config: EtlConfig, facts: PlanFacts, results: list[UnitResult]) -> list[str]:
    """Returns the files that list the rejected inputs, each input once: all variants reject the same."""
    mine = [result for result in results if result.unit.variant == config.variants[0]]
    return [facts.rejected_path, *(path for result in mine for path in result.rejected_paths)]


def describe_variant(config: EtlConfig, facts: PlanFacts, name: str, results: list[UnitResult]) -> Variant:
    """Describes a variant as its shards hold it.

    Raises:
        DatasetError: its embeddings were made by several networks.
    """
    splits = {}
    compressed = config.compression == "gzip"
    for split in facts.splits:
        mine = shards_of(results, name, split)
        classes: Counter[str] = Counter(dict.fromkeys(facts.class_names, 0))
        for result in mine:
            classes.update(result.class_counts)
        shards = tuple(
            Shard(
                layout.shard_name(split, index, len(mine), compressed=compressed),
                result.num_examples,
                result.num_bytes,
                result.sha256,
            )
            for index, result in enumerate(mine)
        )
        splits[split] = Split(
            name=split,
            num_examples=sum(shard.num_examples for shard in shards),
            num_bytes=sum(shard.num_bytes for shard in shards),
            class_counts=dict(classes),
            shards=shards,
        )
    measured = next((split for split in facts.splits if splits[split].num_examples), "")
    return Variant(
        name=name,
        image=variants.find(name).image(config),
        features=variants.features(config, name, sources.source(config.source).extras(config.options)),
        splits=splits,
        compression=config.compression,
        statistics=_statistics(measured, shards_of(results, name, measured)),
        embedding=variants.find(name).describe_network(config, [result.weights_digest for result in results]),
    )


def shards_of(results: Iterable[UnitResult], variant: str, split: str) -> list[UnitResult]:
    """Returns the shards of one split that hold an example, in order."""
    return [
        result
        for result in results
        if result.unit.variant == variant and result.unit.split == split and result.num_examples
    ]


def _statistics(split: str, results: list[UnitResult]) -> Statistics | None:
    sums = [sum(column) for column in zip(*(result.pixel_sums for result in results), strict=True)]
    if not sums or not sums[0]:
        return None
    number = sums[0]
    mean = [total / number for total in sums[1:4]]
    std = [math.sqrt(max(0.0, square / number - center**2)) for square, center in zip(sums[4:7], mean, strict=True)]
    rounded = [tuple(round(value, 4) for value in values) for values in (mean, std)]
    return Statistics(split, rounded[0], rounded[1], STATISTICS_STRIDE)  # type: ignore[arg-type]
