"""The configuration of a reader: its output, its order, and its share of the machine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from etl.cli import is_digits
from etl.errors import ConfigError

# Those of `etl.images.graph.decoding`, which can't be imported without TensorFlow.
RESIZES = ("pad", "crop", "stretch")
DTYPES = ("uint8", "float32")
CACHES = ("none", "memory", "file")
CACHED = ("records", "examples", "batches")
CHECKS = ("none", "size", "full")
DISTRIBUTIONS = ("none", "service")
SHARES = ("range", "batches")

_MAX_SEED = 2**63 - 1
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """Everything about reading that the manifest doesn't say.

    What comes out:

    Attributes:
        batch_size: Examples a batch.
        drop_remainder: Leave out an epoch's last, smaller batch, and with it up to `batch_size - 1` examples.
        image_size: Side in pixels, or (height, width); None for the size that is stored.
        resize: `pad`, `crop` or `stretch` where no window is drawn; None for what the data set was written with, else
            `pad`.
        dtype: Of the images: `uint8`, 0 to 255, or `float32`, 0 to 1, at four times the memory.
        training: Shuffle, and draw random windows; otherwise every image is decoded exactly as the exported model does
            it.
        random_crop: In training, resize a random window of each image instead of the whole; for JPEG, and for pixels
            stored in another size than `image_size`. Pixels stored in that size are left to the model's own layers.
        crop_area: Smallest and largest area of the window, as shares of the image.
        crop_ratio: Smallest and largest width of the window over its height.

    In which order. Together with the manifest these alone decide what is in which batch:

    Attributes:
        seed: Of all that is random here.
        epoch: The epoch, from 0, that every iteration over the data set begins with; each has an order and windows of
            its own. None: every iteration goes on where the one before ended, so that `fit(epochs=n)` sees n epochs.
        first_epoch: The epoch that the first iteration begins with, where `epoch` is None.
        shard: (index, count): which of `count` workers this is. Their shares of the epoch's records differ by one at
            most.
        share: How the workers of `shard` divide an epoch. `range`: each reads a range of its own. `batches`: each reads
            all and keeps its part of every batch of `batch_size * count`, so that together they have the batches that
            one worker would have had.
        pattern: Reads only those shards of the split whose names, without `.tfrecord` and `.gz`, are the split's name
            and this: `-*` is all, `-0000[0-3]-of-*` the first four; None for all.
        start_step: Batches of the first epoch to leave out, for an exact restart: their records are read, not decoded.
            Where `epoch` is None the first iteration alone is cut.
        shuffle_files: Permute the shards each epoch; None for `training`.
        shuffle_buffer: Records to draw the next one from, 0 for none; None for as many as a quarter of the memory
            budget holds, up to 1,024, in training, and none otherwise.
        cycle_length: Shards from which records are taken by turns; None for 8 in training, and 1, which keeps the order
            on disk, otherwise.
        block_length: Records taken from a shard at its turn.
        cache: `none`, `memory` or `file`.
        cache_of: `records`, as stored: the shards then keep their order, the shuffle buffer is drawn anew each epoch.
            `examples` (decoded) or `batches`: every epoch is then a copy of epoch 0. Either way all is read before
            `start_step` leaves anything out.
        deterministic: False lets whatever is ready first go first: the order is then no longer a function of the seed.

    With how much of the machine. Nothing here changes a batch:

    Attributes:
        parallel_reads: Shards read at once, at most `cycle_length`; None for that many on object stores, and on local
            disks for two where whole batches of large records are parsed, else one.
        map_parallelism: Parsers or decoders at work at once; None for two decoders a core, or for up to four parsers of
            whole batches.
        whole_batches: Parse whole batches at once where possible; False for one example at a time.
        prefetch: Batches made ahead.
        autotune: Let TensorFlow choose parallelism and prefetching, within the memory budget, while it runs.
        rewrite: Let TensorFlow rewrite the graph, for one thing so that decoders write into the batch themselves.
        private_threads: Threads of this data set's own; None for TensorFlow's shared ones.
        memory_budget_mb: Million bytes for shuffling, caching and buffering.
        keep_heap: Keep freed memory in the process (see `trainer.ingest.heap`).
        cache_dir: Where `cache="file"` writes, local or on an object store. Any number of readers may share it: each
            fills a cache of its own until one is complete.
        distribute: `service` leaves all of it to the workers of a tf.data service (`python -m trainer.ingest.service`).
            Every worker must reach the shards under the same path. Each example comes once an epoch, in the window that
            is drawn without a service; batches come in whatever order the workers finish them. One that is lost takes
            up to 1/32 of the epoch with it, for which the iteration then waits; the next epoch goes on without it.
        service_address: Of the service's dispatcher, `host:port`, with `grpc://` before it or without.
        verify: What to check before the first batch: `none`, `size` (existence and size of every shard) or `full` (also
            each one's SHA-256: it reads them all).
    """

    batch_size: int = 64
    drop_remainder: bool = False
    image_size: int | tuple[int, int] | None = None
    resize: str | None = None
    dtype: str = "uint8"
    training: bool = False
    random_crop: bool = True
    crop_area: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)

    seed: int = 0
    epoch: int | None = None
    first_epoch: int = 0
    shard: tuple[int, int] = (0, 1)
    share: str = "range"
    pattern: str | None = None
    start_step: int = 0
    shuffle_files: bool | None = None
    shuffle_buffer: int | None = None
    cycle_length: int | None = None
    block_length: int = 16
    cache: str = "none"
    cache_of: str = "records"
    deterministic: bool = True

    parallel_reads: int | None = None
    map_parallelism: int | None = None
    whole_batches: bool = True
    prefetch: int = 2
    autotune: bool = False
    rewrite: bool = True
    private_threads: int | None = None
    memory_budget_mb: int = 1024
    keep_heap: bool = True
    cache_dir: str | None = None
    distribute: str = "none"
    service_address: str | None = None
    verify: str = "size"

    def __post_init__(self) -> None:
        for name in ("batch_size", "block_length", "memory_budget_mb"):
            self._check_count(name, 1)
        for name in ("seed", "first_epoch", "start_step", "prefetch"):
            self._check_count(name, 0)
        for name in ("cycle_length", "parallel_reads", "map_parallelism", "private_threads"):
            self._check_count(name, 1, optional=True)
        for name in ("epoch", "shuffle_buffer"):
            self._check_count(name, 0, optional=True)
        if self.epoch is not None and self.first_epoch:
            raise ConfigError("first_epoch", self.first_epoch, "0, since epoch says which one every iteration gives")
        self._check_choice("dtype", DTYPES)
        self._check_choice("cache", CACHES)
        self._check_choice("cache_of", CACHED)
        self._check_choice("verify", CHECKS)
        self._check_choice("distribute", DISTRIBUTIONS)
        self._check_choice("share", SHARES)
        self._check_choice("resize", (*RESIZES, None))
        self._check_range("crop_area", 1.0)
        self._check_range("crop_ratio", float("inf"))
        self._check_image_size()
        self._check_shard()
        self._check_service()
        if self.cache == "file" and not self.cache_dir:
            raise ConfigError("cache_dir", self.cache_dir, "a folder, since cache is 'file'")

    @property
    def size(self) -> tuple[int, int] | None:
        """The images' height and width asked for, in pixels; None for the size that is stored."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    def replace(self, **changes: Any) -> IngestConfig:
        """Returns a copy with some fields changed, checked like any other.

        Raises:
            ConfigError: a field that doesn't exist, or a value that it doesn't take.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(name, changes[name], f"one of {', '.join(known)}")
        return dataclasses.replace(self, **changes)

    def _check_count(self, name: str, minimum: int, *, optional: bool = False) -> None:
        value = getattr(self, name)
        if optional and value is None:
            return
        if not _is_int(value) or not minimum <= value <= _MAX_SEED:
            raise ConfigError(name, value, f"a whole number, {minimum} or more{' (or None)' if optional else ''}")

    def _check_choice(self, name: str, choices: tuple[str | None, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise ConfigError(name, value, f"one of {', '.join(str(choice) for choice in choices)}")

    def _check_range(self, name: str, maximum: float) -> None:
        value = getattr(self, name)
        try:
            low, high = value
            is_good = 0 < low <= high <= maximum
        except (TypeError, ValueError):
            is_good = False
        if not is_good:
            bound = f", at most {maximum:g}" if maximum < float("inf") else ""
            raise ConfigError(name, value, f"(smallest, largest), above 0{bound}")

    def _check_image_size(self) -> None:
        size = self.size
        if size is None:
            return
        if not isinstance(size, tuple) or len(size) != 2 or not all(_is_int(side) and side > 0 for side in size):
            raise ConfigError("image_size", self.image_size, "pixels, or (height, width) in pixels")

    def _check_service(self) -> None:
        if self.distribute == "none":
            if self.service_address is not None:
                raise ConfigError("service_address", self.service_address, "None, since distribute is 'none'")
            return
        if host_port(self.service_address) is None:
            hint = "python -m trainer.ingest.service prints it"
            raise ConfigError("service_address", self.service_address, "the dispatcher's host:port", hint)
        if self.cache != "none":
            raise ConfigError("cache", self.cache, "'none', since no worker of the service sees a whole epoch")
        if self.share != "range":
            raise ConfigError("share", self.share, "'range', since the service's batches come in no fixed order")
        if self.start_step:
            raise ConfigError("start_step", self.start_step, "0, since the service's batches come in no fixed order")

    def _check_shard(self) -> None:
        expected = "(index, count) with 0 <= index < count"
        if not isinstance(self.shard, tuple) or len(self.shard) != 2 or not all(map(_is_int, self.shard)):
            raise ConfigError("shard", self.shard, expected)
        index, count = self.shard
        if not 0 <= index < count:
            raise ConfigError("shard", self.shard, expected)


def host_port(address: object) -> str | None:
    """Returns a dispatcher's address as `host:port`, without a scheme; None where it is none."""
    text = str(address).removeprefix("grpc://")
    host, _, port = text.rpartition(":")
    is_good = bool(host) and "/" not in host and is_digits(port) and int(port) <= MAX_PORT
    return text if is_good else None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
