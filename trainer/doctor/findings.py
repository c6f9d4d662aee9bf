"""The doctor's findings: plain values, from which words, advice, table and chart are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.doctor.accelerators import Accelerator
from trainer.doctor.rates import Rate, combine, find_slowest, hosts_needed, share_of_longest, share_waiting, share_work

# In the order in which an image passes them: on the host, whose cores they share; to the model's device, at the same
# time; and there, as parts of the model.
HOST_STAGES = ("read", "parse", "decode")
INPUT_STAGES = (*HOST_STAGES, "transfer")
STAGES = (*INPUT_STAGES, "augment", "step")

# Below this share of the step time the accelerator is as good as never idle.
MAX_WAIT_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Data:
    """What is read, and how.

    Attributes:
        dataset: The data set's name.
        folder: Where it is.
        variant: Which variant was read.
        variants: All that there are.
        split: Which split.
        encoding: `jpeg`, `raw`, `float_list` or `none` (embeddings).
        compression: Of the shards: `none` or `gzip`.
        stored_size: (height, width) where all images have the same, else None.
        image_size: (height, width) of the images that come out; None for embeddings.
        num_examples: In the split.
        num_bytes: Of its shards.
        num_shards: Of the split.
        is_remote: Whether it is on an object store.
        batch_size: Images a batch.
        is_training: Whether it is read as for training: shuffled.
        is_windowed: Whether a random window of each image is drawn.
        is_batchwise: Whether whole batches are parsed at once.
        shuffle_buffer: Records to draw the next one from.
        cycle_length: Shards from which records are taken by turns.
        prefetch: Batches made ahead.
    """

    dataset: str
    folder: str
    variant: str
    variants: tuple[str, ...]
    split: str
    encoding: str
    compression: str
    stored_size: tuple[int, int] | None
    image_size: tuple[int, int] | None
    num_examples: int
    num_bytes: int
    num_shards: int
    is_remote: bool
    batch_size: int
    is_training: bool
    is_windowed: bool
    is_batchwise: bool
    shuffle_buffer: int
    cycle_length: int
    prefetch: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was read.

    Attributes:
        num_threads: Threads that were used.
        num_cores: Processors that this process may use.
        load: Processes that were already running or waiting to, on average; 0 where that isn't known.
        free_bytes: Memory that could be used without swapping; None where that isn't known.
        cached_share: Of the shards, how much lay in the page cache before the first read; None where that isn't known.
        device: Where a model runs, for a person: `CPU`, or the accelerator's name.
        is_accelerated: Whether that is anything but the CPU.
    """

    num_threads: int
    num_cores: int
    load: float
    free_bytes: int | None
    cached_share: float | None
    device: str
    is_accelerated: bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another way to have the same images, and how fast this machine is at it.

    Attributes:
        kind: `variant` (a whole pipeline on another variant), `smaller_jpeg` (decoding some of the images stored at
            `size`), or `pixels` (reading, parsing and decoding some of the images stored as pixels).
        name: The variant's name.
        size: (height, width) stored.
        rate: Images a second.
        is_windowed: Whether random windows are drawn from it.
    """

    kind: str
    name: str
    size: tuple[int, int] | None
    rate: float
    is_windowed: bool


@dataclass(frozen=True, slots=True)
class Training:
    """A loop of training steps on the real input.

    Attributes:
        model: The model's name.
        alone: Its training step on one and the same batch, in images a second.
        waits: Seconds of waiting for input before each step.
        steps: Seconds that each step took.
        batch_size: Images a step.
    """

    model: str
    alone: Rate
    waits: tuple[float, ...]
    steps: tuple[float, ...]
    batch_size: int

    @property
    def wait_share(self) -> float:
        """The share of the training time spent waiting for input, 0 to 1."""
        return share_waiting(self.waits, self.steps)

    @property
    def burst_share(self) -> float:
        """The share of the waiting that falls on the tenth of the steps that waited longest, 0 to 1."""
        return share_of_longest(self.waits, 0.1)

    @property
    def images_per_second(self) -> float:
        """Trained on, waiting included."""
        return self.batch_size * len(self.steps) / (sum(self.waits) + sum(self.steps))


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it.

    Attributes:
        data: What was read.
        machine: Where.
        stages: Name of `STAGES` to rate, each alone; those that don't apply are missing.
        notes: Name of `STAGES` to what has to be said about it.
        pipeline: All input stages at once, as in training.
        first_batch_seconds: From opening the data set to its first batch.
        bare_copy: The shards' bytes read and copied by all threads, in images a second.
        bare_decode: JPEGs decoded by all threads and thrown away, in images a second; None where there are none.
        alternatives: What else was tried.
        training: Where a model was given.
    """

    data: Data
    machine: Machine
    stages: Mapping[str, Rate]
    pipeline: Rate
    first_batch_seconds: float
    bare_copy: Rate
    bare_decode: Rate | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    training: Training | None = None

    @property
    def medians(self) -> dict[str, float]:
        """Stage to images a second, in the order of the stages."""
        return {name: self.stages[name].median for name in STAGES if name in self.stages}

    @property
    def host_medians(self) -> dict[str, float]:
        """The same of the stages that share the host's cores."""
        return {name: rate for name, rate in self.medians.items() if name in HOST_STAGES}

    @property
    def slowest_input(self) -> str:
        """The stage that binds the input."""
        return find_slowest({name: rate for name, rate in self.medians.items() if name in INPUT_STAGES})

    @property
    def host_shares(self) -> dict[str, float]:
        """Host stage to its share of the time that they all take for an image, adding up to 1."""
        return share_work(self.host_medians)

    @property
    def expected(self) -> float:
        """Images a second that the host's stages would give together, sharing its cores and nothing else."""
        return combine(self.host_medians.values())

    @property
    def is_first_batch_shuffle_bound(self) -> bool:
        """Whether most of the time to the first batch went into filling the shuffle buffer, at the rate of reading."""
        return self.data.shuffle_buffer / self.medians["read"] >= self.first_batch_seconds / 2

    @property
    def bottleneck(self) -> str:
        """What holds up the training: `step` where the model hardly ever waits, else the slowest input stage."""
        if self.training is not None and self.training.wait_share < MAX_WAIT_SHARE:
            return "step"
        return self.slowest_input

    @property
    def limit(self) -> tuple[str, Rate]:
        """The machine's own limit for this kind of data: its name, and its rate."""
        if self.bare_decode is not None:
            return "bare decode", self.bare_decode
        return "bare read and copy", self.bare_copy

    @property
    def limit_share(self) -> float:
        """Which share of that limit the whole pipeline gets; above 1 where it does less than a whole decode."""
        return self.pipeline.median / self.limit[1].median

    def hosts(self, accelerator: Accelerator) -> int:
        """Returns how many hosts like this one feed one accelerator."""
        return hosts_needed(accelerator.images_per_second, self.pipeline.median)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything measured and what follows from it, for JSON."""
        content = dataclasses.asdict(self)
        if self.training is not None:
            content["training"] |= {
                "wait_share": self.training.wait_share,
                "burst_share": self.training.burst_share,
                "images_per_second": self.training.images_per_second,
            }
        return {
            **content,
            "binds": self.bottleneck,
            "slowest_input": self.slowest_input,
            "host_shares": self.host_shares,
            "expected": self.expected,
            "limit": self.limit[0],
            "limit_share": self.limit_share,
        }
