"""Advises changes of settings: each follows from a measurement, and is given only where it would help."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from etl.format import encodings
from trainer.doctor.accelerators import Accelerator
from trainer.doctor.findings import MAX_WAIT_SHARE, Alternative, Findings
from trainer.doctor.wording import bytes_text, rate_text, seconds_text, share_text, size_text
from trainer.ingest.config import IngestConfig

# Below this the measurements' own scatter could be all there is to gain.
_MIN_GAIN = 1.2
# Pixels take many times the disk that JPEGs do.
_MIN_PIXEL_GAIN = 1.5
# Caches leave this share of the free memory to everything else.
_CACHE_SHARE = 0.5
# Object stores answer many requests at once as fast as one.
_REMOTE_CYCLE = 16
# Files that are mostly in memory are read as fast as a cache of our own.
_CACHED_SHARE = 0.5
_SLOW_FIRST_BATCH_SECONDS = 5.0
_GOOD_FIRST_BATCH_SECONDS = 2.0
# Waiting is uneven where so much of it falls on a tenth of the steps.
_BURST_SHARE = 0.5
# More batches than these take too much memory.
_MAX_PREFETCH = 32
_SMALL_BATCH, _FAIR_BATCH = 16, 32
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Advice:
    """One change.

    Attributes:
        change: A field of `IngestConfig` with its value, or flags of `etl.run`.
        why: What it would do, with the figures it follows from.
    """

    change: str
    why: str


def advise(findings: Findings, accelerator: Accelerator | None = None) -> list[Advice]:
    """Returns the changes worth making, the largest gain first as far as that is known.

    Args:
        findings: What was measured.
        accelerator: What is to be fed; where it needs no second host, or a model that was tried hardly ever waits and
            none is named, the input is fast enough and there is nothing to change.
    """
    is_enough = findings.bottleneck == "step" if accelerator is None else findings.hosts(accelerator) == 1
    return list(_start(findings)) if is_enough else [*_speed_up(findings), *_start(findings)]


def _speed_up(findings: Findings) -> Iterator[Advice]:
    tried = sorted(findings.alternatives, key=lambda alternative: -alternative.rate)
    for alternative in tried:
        yield from _ALTERNATIVES[alternative.kind](findings, alternative)
    yield from _use_all_cores(findings)
    yield from _cache_examples(findings)
    if findings.slowest_input == "read":
        yield from _unpack(findings)
        yield from _read_more_files(findings)
        yield from _cache_records(findings)
    yield from _store_bytes(findings)
    yield from _prefetch(findings)
    yield from _enlarge_batches(findings)


def _use_variant(findings: Findings, other: Alternative) -> Iterator[Advice]:
    gain = other.rate / findings.pipeline.median
    if gain < _MIN_GAIN:
        return
    why = f"the whole pipeline gives {rate_text(other.rate)} images/s on it, {gain:.1f} times as many"
    yield Advice(f'variant="{other.name}"', why + _describe_lost_windows(findings, other))


def _store_smaller(findings: Findings, smaller: Alternative) -> Iterator[Advice]:
    now = findings.medians["decode"]
    if findings.slowest_input != "decode" or smaller.rate < _MIN_GAIN * now or smaller.size is None:
        return
    yield Advice(
        f"etl.run --variants jpeg --image_size {size_text(smaller.size)} --resize crop",
        f"images stored in that size decode at {rate_text(smaller.rate)} instead of {rate_text(now)} images/s "
        "(tried on some of these)",
    )


def _store_pixels(findings: Findings, pixels: Alternative) -> Iterator[Advice]:
    gain = pixels.rate / findings.pipeline.median
    if findings.slowest_input != "decode" or gain < _MIN_PIXEL_GAIN or pixels.size is None:
        return
    num_bytes = findings.data.num_examples * 3 * math.prod(pixels.size)
    yield Advice(
        f"etl.run --variants {findings.data.variant},pixel --image_size {size_text(pixels.size)}",
        f"as pixels the same images come at about {rate_text(pixels.rate)} images/s, {gain:.1f} times as many, for "
        f"{bytes_text(num_bytes)} on disk in place of {bytes_text(findings.data.num_bytes)} (tried on one batch)"
        + _describe_lost_windows(findings, pixels),
    )


_ALTERNATIVES = {"variant": _use_variant, "smaller_jpeg": _store_smaller, "pixels": _store_pixels}


def _describe_lost_windows(findings: Findings, other: Alternative) -> str:
    if not findings.data.is_windowed or other.is_windowed:
        return ""
    return "; random windows of the whole photograph are lost with it"


def _use_all_cores(findings: Findings) -> Iterator[Advice]:
    machine = findings.machine
    if machine.num_threads < machine.num_cores and findings.slowest_input in ("parse", "decode"):
        yield Advice(
            f"map_parallelism={machine.num_cores}, private_threads={machine.num_cores}",
            f"only {machine.num_threads} of the {machine.num_cores} cores were used",
        )


def _cache_examples(findings: Findings) -> Iterator[Advice]:
    """Decoded images in memory; where windows are drawn every epoch decodes other pixels."""
    data = findings.data
    if data.is_windowed or data.image_size is None or findings.slowest_input != "decode":
        return
    num_bytes = data.num_examples * 3 * math.prod(data.image_size)
    if _fits(findings, num_bytes):
        yield Advice(
            f'cache="memory", cache_of="examples", memory_budget_mb={_budget_mb(num_bytes)}',
            f"decoded, the split takes {bytes_text(num_bytes)} of {_free_text(findings)} free, and nothing is decoded "
            "a second time",
        )


def _unpack(findings: Findings) -> Iterator[Advice]:
    if findings.data.compression != "none":
        yield Advice(
            "etl.run --compression none",
            f"unpacking {findings.data.compression} is part of the reading, which binds",
        )


def _read_more_files(findings: Findings) -> Iterator[Advice]:
    data = findings.data
    if not data.is_remote:
        return
    wanted = min(_REMOTE_CYCLE, data.num_shards)
    if data.cycle_length < wanted:
        yield Advice(f"cycle_length={wanted}", f"the files are remote, and only {data.cycle_length} are read at once")
    elif data.num_shards < _REMOTE_CYCLE:
        shard_mb = max(1, math.floor(data.num_bytes / _REMOTE_CYCLE / _MB))
        yield Advice(
            f"etl.run --shard_mb {shard_mb}",
            f"the files are remote, and there are only {data.num_shards} to read at once; then there are "
            f"{_REMOTE_CYCLE} or more",
        )


def _cache_records(findings: Findings) -> Iterator[Advice]:
    data = findings.data
    is_in_memory = (findings.machine.cached_share or 0) >= _CACHED_SHARE
    if data.compression != "none" or (is_in_memory and not data.is_remote):
        return
    if _fits(findings, data.num_bytes):
        yield Advice(
            f'cache="memory", memory_budget_mb={_budget_mb(data.num_bytes)}',
            f"the records take {bytes_text(data.num_bytes)} of {_free_text(findings)} free, and nothing is read "
            "a second time",
        )
    elif data.is_remote:
        yield Advice(
            'cache="file", cache_dir="(a folder on a local disk)"',
            f"the records take {bytes_text(data.num_bytes)}, too much for memory; from the second epoch on they are "
            "read from there",
        )


def _store_bytes(findings: Findings) -> Iterator[Advice]:
    data = findings.data
    if encodings.find(data.encoding).has_floats and data.image_size is not None:
        yield Advice(
            f"etl.run --variants pixel --image_size {size_text(data.image_size)} --pixel_dtype uint8",
            "as bytes the same pixels take a quarter of what is read, parsed and copied now",
        )


def _prefetch(findings: Findings) -> Iterator[Advice]:
    """Waiting in bursts although the input is the faster of the two: batches made ahead bridge them.

    The longest burst is the beginning of an epoch, when nothing comes until the shuffle buffer is full.
    """
    training = findings.training
    if training is None or training.wait_share < MAX_WAIT_SHARE or training.burst_share < _BURST_SHARE:
        return
    if findings.pipeline.median < _MIN_GAIN * training.alone.median:
        return
    per_step = findings.medians["read"] * training.batch_size / training.alone.median
    wanted = max(2 * findings.data.prefetch, math.ceil(findings.data.shuffle_buffer / per_step) + 1)
    change = f"prefetch={min(wanted, _MAX_PREFETCH)}"
    if wanted > _MAX_PREFETCH:
        change += f", shuffle_buffer={max(training.batch_size, int(_MAX_PREFETCH * per_step))}"
    yield Advice(
        change,
        f"{share_text(training.burst_share)} of the waiting falls on a tenth of the steps, though the input gives "
        f"{rate_text(findings.pipeline.median)} images/s and the model takes {rate_text(training.alone.median)}: more "
        "batches made ahead bridge the gaps",
    )


def _enlarge_batches(findings: Findings) -> Iterator[Advice]:
    size = findings.data.batch_size
    if size < _SMALL_BATCH and findings.expected >= _MIN_PIXEL_GAIN * findings.pipeline.median:
        yield Advice(
            f"batch_size={_FAIR_BATCH}",
            f"the stages together would give {rate_text(findings.expected)} images/s; the rest is the cost of "
            f"batches of {size}",
        )


def _start(findings: Findings) -> Iterator[Advice]:
    """A quicker beginning, whatever the rate is."""
    buffer, seconds = findings.data.shuffle_buffer, findings.first_batch_seconds
    if seconds < _SLOW_FIRST_BATCH_SECONDS or not findings.is_first_batch_shuffle_bound:
        return
    smaller = max(findings.data.batch_size, int(buffer * _GOOD_FIRST_BATCH_SECONDS / seconds))
    yield Advice(
        f"shuffle_buffer={smaller}",
        f"the first batch came after {seconds_text(seconds)}, most of it to fill a buffer of {buffer:,} records",
    )


def _fits(findings: Findings, num_bytes: float) -> bool:
    free = findings.machine.free_bytes
    return free is not None and num_bytes <= _CACHE_SHARE * free


def _free_text(findings: Findings) -> str:
    return bytes_text(findings.machine.free_bytes or 0)


def _budget_mb(num_bytes: float) -> int:
    """Returns a memory budget that holds the cache, and what the default holds beside it."""
    return math.ceil(num_bytes / _MB) + IngestConfig().memory_budget_mb
