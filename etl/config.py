"""The ETL's resolved configuration: frozen, checked where it is made, written into the manifest."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from etl import variants
from etl.backbones.weights import ALPHAS
from etl.errors import ConfigError
from etl.sources import SOURCES, declared
from etl.sources.options import SourceOptions
from etl.variants import VARIANTS

PIXEL_DTYPES = ("uint8", "float32")
COMPRESSIONS = ("none", "gzip")
RESIZES = ("pad", "crop", "stretch")
SPLIT_BY = ("auto", "hash", "official", "column")
DEFAULT_SPLITS: Mapping[str, float] = MappingProxyType({"train": 0.8, "validation": 0.1, "test": 0.1})

_BYTES_PER_MB = 1_000_000

# Of fields, the smallest value, the largest one, and both in words.
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "jpeg_quality": (1, 100, "a whole number from 1 to 100"),
    "shard_bytes": (1, math.inf, "bytes, 1 or more"),
    "max_pixels": (1, math.inf, "height times width, 1 or more"),
    "max_rejected_fraction": (0, 1, "a share from 0 to 1"),
    "num_threads": (1, math.inf, "a whole number from 1"),
}

# Where a field isn't called as its flag, or a switch is set.
_FIELDS = {
    "shard_mb": "shard_bytes",
    "direct_num_workers": "num_threads",
    "overwrite": "overwrite=True",
    "resume": "resume=True",
}


@contextmanager
def naming_fields() -> Iterator[None]:
    """Has errors of the block name fields, for callers in Python; the command line names its flags instead."""
    try:
        yield
    except ConfigError as error:
        raise error.naming_fields(_FIELDS) from error.__cause__


def all_cores() -> int:
    """Returns the number of this machine's cores."""
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class EtlConfig:
    """One run of the ETL, resolved.

    Attributes:
        source: Name of the source, a key of `etl.sources.SOURCES`.
        output: The data set's folder, local or `gs://…`.
        variants: Which to write.
        image_size: (height, width) that images are resized to; None keeps them at their own size.
        resize: `pad`, `crop` or `stretch`.
        jpeg_quality: 1 to 100, where a JPEG has to be encoded; None: 95, and none is encoded without need.
        pixel_dtype: `uint8`, or `float32` for a flattened float list in [0, 1].
        compression: `none`, or `gzip` for whole files.
        embedding_weights: `imagenet`, or a file of Keras weights for MobileNetV2 without its top.
        embedding_alpha: MobileNetV2's width, one of `etl.backbones.weights.ALPHAS`.
        splits: Split name to share, adding up to 1.
        seed: Of the splits and of the global order.
        shard_bytes: The size that shards aim at.
        max_pixels: The largest height times width that is decoded.
        max_rejected_fraction: The share of rejected inputs above which the run fails.
        overwrite: Whether a data set in `output` may be replaced.
        resume: Whether shards that an unfinished run left are kept.
        num_threads: Images worked on at once in each worker process; by default one for each core of this machine.
        options: What the source needs; those of its own are at their defaults where a `SourceOptions` has none.
    """

    source: str
    output: str
    variants: tuple[str, ...] = ("jpeg",)
    image_size: tuple[int, int] | None = None
    resize: str = "pad"
    jpeg_quality: int | None = None
    pixel_dtype: str = "uint8"
    compression: str = "none"
    embedding_weights: str | None = None
    embedding_alpha: float = 1.0
    splits: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_SPLITS))
    seed: int = 0
    shard_bytes: int = 100 * _BYTES_PER_MB
    max_pixels: int = 100_000_000
    max_rejected_fraction: float = 0.05
    overwrite: bool = False
    resume: bool = False
    num_threads: int = field(default_factory=all_cores)
    options: SourceOptions = field(default_factory=SourceOptions)

    def __post_init__(self) -> None:
        with naming_fields():
            self._check()
            # The source's own, so that it finds all that it declares; dataclasses that are frozen let nothing else set
            # it.
            object.__setattr__(self, "options", declared.resolve(self.source, self.options))

    def _check(self) -> None:
        _check_choice("--source", self.source, SOURCES)
        if not self.variants:
            raise ConfigError("--variants", "", f"one or more of {', '.join(VARIANTS)}")
        for name in self.variants:
            _check_choice("--variants", name, VARIANTS)
        if len(set(self.variants)) != len(self.variants):
            raise ConfigError("--variants", ",".join(self.variants), "each variant once")
        _check_choice("--resize", self.resize, RESIZES)
        _check_choice("--split_by", self.options.split_by, SPLIT_BY)
        _check_splits(self.splits)
        _check_choice("--pixel_dtype", self.pixel_dtype, PIXEL_DTYPES)
        _check_choice("--compression", self.compression, COMPRESSIONS)
        if self.embedding_alpha not in ALPHAS:
            raise ConfigError("--embedding_alpha", self.embedding_alpha, f"one of {', '.join(map(str, ALPHAS))}")
        for name in VARIANTS:
            if name in self.variants:
                variants.find(name).check(self)
        self._check_numbers()

    def _check_numbers(self) -> None:
        """Checks what the command line checks where it is parsed."""
        for name, (smallest, largest, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not smallest <= value <= largest:
                raise ConfigError(f"--{name}", value, expected)

    def to_dict(self) -> dict[str, Any]:
        """Returns what the data set depends on, as JSON's types; not where it lies nor how many work at it."""
        content = dataclasses.asdict(self)
        for name in ("output", "overwrite", "resume", "num_threads", "max_rejected_fraction"):
            del content[name]
        return {**content, "options": declared.to_dict(self.options)}


def parse_splits(text: str) -> dict[str, float]:
    """Parses `--splits`: `train=0.8,validation=0.1,test=0.1`.

    Raises:
        ConfigError: another form, or shares that don't add up to 1.
    """
    splits: dict[str, float] = {}
    for part in text.split(","):
        name, equals, share = part.strip().partition("=")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not equals or math.isnan(value) or name in splits:
            raise ConfigError("--splits", text, "names and shares such as train=0.8,validation=0.1,test=0.1")
        splits[name] = value
    _check_splits(splits)
    return splits


def parse_shard_bytes(text: str) -> int:
    """Parses `--shard_mb`, megabytes of 1,000,000 bytes, fractions allowed.

    Raises:
        ConfigError: not a positive number.
    """
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = math.nan
    if not 0 < megabytes < math.inf or round(megabytes * _BYTES_PER_MB) < 1:
        raise ConfigError("--shard_mb", text, "megabytes above 0, such as 100")
    return round(megabytes * _BYTES_PER_MB)


def _check_choice(option: str, got: str, choices: Any) -> None:
    if got not in choices:
        raise ConfigError(option, got, f"one of {', '.join(choices)}")


def _check_splits(splits: Mapping[str, float]) -> None:
    text = ",".join(f"{name}={share:g}" for name, share in splits.items())
    for name, share in splits.items():
        # Split names become file names, and TFDS reads them back from there.
        if not name.isidentifier() or not 0 < share <= 1:
            raise ConfigError("--splits", text, "names of letters, digits and _ with shares above 0 and up to 1")
    if abs(sum(splits.values()) - 1) > 1e-6:
        raise ConfigError("--splits", text, "shares that add up to 1", f"these add up to {sum(splits.values()):g}")
