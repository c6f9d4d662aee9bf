"""Resolves a configuration for one split of one variant: every default from the manifest and the machine."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import math
import os
from dataclasses import dataclass
from typing import Any

from etl.errors import ConfigError, DatasetError
from etl.format import manifest as manifests
from etl.format.manifest import Manifest, Split, Variant
from etl.paths import join
from trainer.files import is_remote, read_text
from trainer.ingest import managed, shares
from trainer.ingest.config import IngestConfig

_TRAINING_CYCLE = 8
# Whole batches of pixels are parsed faster than one thread reads them from the page cache; single examples are decoded
# slower, and handing over small records between threads costs more than reading them.
_LOCAL_READS = 2
# Whole-batch parsing runs at the speed of memory, which a few cores exhaust, and each holds a batch.
_MAX_BATCH_PARSERS = 4
# One that waits for its turn to hand over leaves its core to the other: 5 % more than with one.
_DECODERS_PER_CORE = 2
# Each opens one image, which on an object store takes 50 ms and no core: with so many a thousand come each second.
_MIN_OPENERS = 64
# Small records are parsed this many at once, and cut into batches afterwards: 512 embeddings take 30 % less time than
# eight times 64.
_PARSED_AT_ONCE = 512
_LARGE_RECORD_BYTES = 32 << 10
# The shuffle buffer's share of the memory budget; the rest is for what is parsed, decoded and prefetched.
_SHUFFLE_SHARE = 1 / 4
# What lies between two shuffled records has left the processor's caches: with 4,096 embeddings in the buffer reading
# takes 14 % longer than with these. The order on disk is random already, and the shards are permuted.
_MAX_SHUFFLE_BUFFER = 1024
# What GZIP makes of images as float32, measured on 359 of them at their own size.
_GZIP_FACTOR = 4
# Parts of an epoch that a tf.data service hands out: enough for its workers to end at nearly the same time, few enough
# that opening files and filling shuffle buffers anew doesn't count.
_SERVICE_PARTS = 32
_MB = 1_000_000
_ITEM_BYTES = {"uint8": 1, "float32": 4}


@dataclass(frozen=True, slots=True)
class Plan:
    """One split of one variant, read as one worker's configuration says.

    Attributes:
        config: As given.
        manifest: Of the data set.
        variant: Which of its variants.
        split: Which of the variant's splits; it holds at least one example.
        folder: Where the variant's shards are.
        size: (height, width) of the images that come out, in pixels; None where the variant holds none.
        resize: `pad`, `crop` or `stretch`.
        is_windowed: Whether a random window of each image is drawn.
        is_batchwise: Whether whole batches are parsed at once.
    """

    config: IngestConfig
    manifest: Manifest
    variant: Variant
    split: Split
    folder: str
    size: tuple[int, int] | None
    resize: str
    is_windowed: bool
    is_batchwise: bool

    @property
    def paths(self) -> list[str]:
        """The shards' files, in the manifest's order."""
        return [join(self.folder, shard.name) for shard in self.split.shards]

    @property
    def is_remote(self) -> bool:
        """Whether the shards are on an object store."""
        return is_remote(self.folder)

    @property
    def reads_all_records(self) -> bool:
        """Whether this worker reads all records and keeps every n-th one."""
        return self.config.share == "batches" and self.config.shard[1] > 1

    @property
    def record_range(self) -> tuple[int, int]:
        """First and last (exclusive) of an epoch's records that this worker reads."""
        index, count = (0, 1) if self.reads_all_records else self.config.shard
        return shares.cut(self.split.num_examples, index, count)

    @property
    def num_records(self) -> int:
        """Records that this worker keeps each epoch; those of two workers differ by one at most."""
        if not self.reads_all_records:
            first, last = self.record_range
            return last - first
        index, count = self.config.shard
        total = self.split.num_examples
        if self.config.drop_remainder:
            total -= total % (self.config.batch_size * count)
        return len(shares.every_nth(total, index, count))

    @property
    def steps_per_epoch(self) -> int:
        """This worker's batches each epoch."""
        config = self.config
        return shares.num_batches(self.num_records, config.batch_size, drop_remainder=config.drop_remainder)

    @property
    def num_padding(self) -> int:
        """What an epoch's records lack to be whole batches, where the last one is kept."""
        return max(0, self.steps_per_epoch * self.config.batch_size - self.num_records)

    @property
    def is_distributed(self) -> bool:
        """Whether the workers of a tf.data service read and decode."""
        return self.config.distribute == "service"

    @property
    def num_parts(self) -> int:
        """Parts of an epoch that are handed to whoever is free; each but the last is a number of whole batches."""
        return max(1, min(_SERVICE_PARTS, self.steps_per_epoch)) if self.is_distributed else 1

    @property
    def is_frozen(self) -> bool:
        """Whether examples or batches are cached, so that every epoch is a copy of epoch 0."""
        return self.config.cache != "none" and self.config.cache_of != "records"

    @property
    def first_epoch(self) -> int:
        """The epoch that the first iteration begins with."""
        return self.config.first_epoch if self.config.epoch is None else self.config.epoch

    @property
    def is_repeated(self) -> bool:
        """Whether every iteration gives the same: it was asked for, or no epoch differs from another."""
        if self.config.epoch is not None:
            return True
        is_drawn = self.shuffle_files or self.shuffle_buffer > 1 or self.is_windowed
        return not self.config.start_step and (self.is_frozen or not is_drawn)

    @property
    def has_cached_records(self) -> bool:
        """Whether serialised records are cached."""
        return self.config.cache != "none" and self.config.cache_of == "records"

    @property
    def shuffle_files(self) -> bool:
        """Whether the shards are permuted each epoch."""
        is_wanted = self.config.training if self.config.shuffle_files is None else self.config.shuffle_files
        return is_wanted and not self.has_cached_records

    @property
    def shuffle_buffer(self) -> int:
        """Records in the shuffle buffer, 0 for none; never more than there are."""
        wanted = self.config.shuffle_buffer
        if wanted is None and not self.config.training:
            return 0
        if wanted is None:
            budget = self.config.memory_budget_mb * _MB * _SHUFFLE_SHARE
            wanted = max(self.config.batch_size, min(_MAX_SHUFFLE_BUFFER, int(budget / self.mean_record_bytes)))
        return min(wanted, self.record_range[1] - self.record_range[0])

    @property
    def mean_record_bytes(self) -> float:
        """Mean size of a record in memory; estimated where the shards are compressed."""
        image = self.variant.image
        stored = self.split.num_bytes / self.split.num_examples
        if self.variant.compression == "none":
            return stored
        if image.size is None:
            return stored * _GZIP_FACTOR
        return max(stored, 3 * math.prod(image.size) * _ITEM_BYTES[image.dtype])

    @property
    def has_large_records(self) -> bool:
        """Whether a record fills a good part of a core's cache, so that it is best dealt with at once."""
        return self.mean_record_bytes >= _LARGE_RECORD_BYTES

    @property
    def parse_size(self) -> int:
        """Records parsed at once where whole batches are: one or more batches."""
        # Batches are cut out of larger parts by their sizes in an epoch, which are to be the same in each.
        is_cut_once = self.config.start_step > 0 and not self.is_repeated
        is_one = self.has_large_records or self.is_distributed or is_cut_once
        num_batches = 1 if is_one else max(1, _PARSED_AT_ONCE // self.config.batch_size)
        return num_batches * self.config.batch_size

    @property
    def cycle_length(self) -> int:
        """Shards from which records are taken by turns."""
        wanted = self.config.cycle_length or (_TRAINING_CYCLE if self.config.training else 1)
        return min(wanted, len(self.split.shards))

    @property
    def parallel_reads(self) -> int:
        """Shards read at once."""
        is_bound_by_one = self.is_batchwise and self.has_large_records
        default = self.cycle_length if self.is_remote else min(_LOCAL_READS, num_cores()) if is_bound_by_one else 1
        return min(self.config.parallel_reads or default, self.cycle_length)

    @property
    def map_parallelism(self) -> int:
        """Parsers or decoders at work at once."""
        if self.variant.encoding.is_reference:
            default = max(_MIN_OPENERS, _DECODERS_PER_CORE * num_cores())
        else:
            default = min(_MAX_BATCH_PARSERS, num_cores()) if self.is_batchwise else _DECODERS_PER_CORE * num_cores()
        return self.config.map_parallelism or default

    @property
    def cache_path(self) -> str:
        """The prefix of the cache's files, "" for memory; another for everything that would be cached otherwise."""
        config, names = self.config, (self.variant.name, self.split.name)
        if config.cache != "file" or config.cache_dir is None:
            return ""
        facts: list[Any] = [self.manifest.fingerprint, names, config.shard, config.share, config.pattern]
        facts += [self.cycle_length, config.block_length]
        if self.is_frozen:
            facts += [config.cache_of, config.batch_size, config.drop_remainder, config.dtype, self.size, self.resize]
            facts += [config.seed, self.shuffle_files, self.shuffle_buffer]
        digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return join(config.cache_dir, f"{'-'.join(names)}-{digest}")


def resolve(data_dir: str | os.PathLike[str], split: str, config: IngestConfig, variant: str | None = None) -> Plan:
    """Reads the manifest and checks that the configuration fits it.

    Args:
        data_dir: The data set's folder, local or on an object store; or JSON lines, see `trainer.ingest.managed`.
        split: The split's name.
        config: How to read it.
        variant: The variant's name; None where there is only one.

    Raises:
        ConfigError: no such split or variant, or a field that doesn't fit it.
        DatasetError: there is no manifest, or it contradicts itself.
    """
    folder = managed.localise(os.fspath(data_dir))
    if config.distribute == "service" and not is_remote(folder):
        # The service's workers have working directories of their own.
        folder = os.path.abspath(folder)
    manifest = manifests.load(folder, read_text)
    chosen = manifest.variant(variant)
    part = manifest.split(chosen, split)
    if sum(shard.num_examples for shard in part.shards) != part.num_examples:
        raise DatasetError(f"{folder}: the manifest's {chosen.name}/{split} has shards that don't add up to its count")
    if config.pattern is not None:
        part = _choose_shards(part, config.pattern)
    size = _output_size(chosen, config)
    image = chosen.image
    is_resized = chosen.encoding.is_file or (size is not None and image.size != size)
    plan = Plan(
        config=config,
        manifest=manifest,
        variant=chosen,
        split=part,
        folder=join(folder, chosen.name),
        size=size,
        resize=config.resize or image.resize or "pad",
        is_windowed=config.training and config.random_crop and is_resized,
        is_batchwise=config.whole_batches and not is_resized,
    )
    _check_steps(plan)
    _check_cache(plan)
    return plan


def num_cores() -> int:
    """Returns the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _choose_shards(split: Split, pattern: str) -> Split:
    """Returns a split of those shards alone that a pattern names."""
    shards = tuple(
        shard for shard in split.shards if fnmatch.fnmatchcase(shard.name.split(".")[0], f"{split.name}{pattern}")
    )
    if not shards:
        first = split.shards[0].name.split(".")[0]
        hint = f"they are {len(split.shards)}, from {first} on"
        raise ConfigError("pattern", pattern, f"what comes behind {split.name!r} in a shard's name", hint)
    return dataclasses.replace(
        split,
        shards=shards,
        num_examples=sum(shard.num_examples for shard in shards),
        num_bytes=sum(shard.num_bytes for shard in shards),
    )


def _output_size(variant: Variant, config: IngestConfig) -> tuple[int, int] | None:
    if not variant.encoding.has_images:
        if config.size is not None:
            raise ConfigError("image_size", config.image_size, f"None: the variant {variant.name} holds no images")
        return None
    size = config.size or variant.image.size
    if size is None:
        raise ConfigError(
            "image_size",
            None,
            "a height and width in pixels, for example 224",
            f"the images of the variant {variant.name} differ in size, and a batch needs one",
        )
    return size


def _check_steps(plan: Plan) -> None:
    config, steps = plan.config, plan.steps_per_epoch
    if config.drop_remainder and plan.num_records and not steps:
        expected = f"at most {plan.num_records}, the examples of one epoch"
        raise ConfigError("batch_size", config.batch_size, expected, "or keep the remainder")
    if config.start_step > steps:
        raise ConfigError("start_step", config.start_step, f"0 to {steps}, the batches of one epoch")


def _check_cache(plan: Plan) -> None:
    config = plan.config
    if plan.is_frozen and plan.is_windowed:
        hint = "an image's window would be drawn only once"
        raise ConfigError("cache_of", config.cache_of, "'records' where windows are drawn", hint)
    if config.cache != "memory":
        return
    first, last = plan.record_range
    num_bytes = plan.num_records * _example_bytes(plan) if plan.is_frozen else (last - first) * plan.mean_record_bytes
    if num_bytes > config.memory_budget_mb * _MB:
        need = f"{plan.variant.name}/{plan.split.name} takes about {num_bytes / _MB:,.0f} MB"
        raise ConfigError("cache", config.cache, f"to fit into memory_budget_mb={config.memory_budget_mb}", need)


def _example_bytes(plan: Plan) -> float:
    if plan.size is None:
        return plan.mean_record_bytes
    return 3 * math.prod(plan.size) * _ITEM_BYTES[plan.config.dtype]
