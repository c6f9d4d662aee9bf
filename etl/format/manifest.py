"""The manifest: the one file that says what a data set holds, written last.

It joins the two halves of the project: `etl` writes it when all else is in place, `trainer` reads nothing else. A
folder without one is no data set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, DatasetError
from etl.format import encodings
from etl.format.encodings import ENCODINGS
from etl.format.encodings.base import Encoding
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.layout import MANIFEST_NAME
from etl.format.parsing import is_text, make, parse_json, to_tuple
from etl.format.schema import SCHEMA_VERSION
from etl.paths import join


@dataclass(frozen=True, slots=True)
class Shard:
    """One TFRecord file: its name in the variant's folder, examples, bytes and SHA-256."""

    name: str
    num_examples: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Split:
    """One split of one variant; `class_counts` names every class, also those with no example."""

    name: str
    num_examples: int
    num_bytes: int
    class_counts: Mapping[str, int]
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Per-channel mean and standard deviation of a split's pixels, 0 to 255; from every `stride`-th row and column."""

    split: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One way in which the images are stored; its shards lie in the folder of its name.

    Attributes:
        name: `jpeg`, `pixel` or `embedding`.
        image: How the images are stored.
        features: Of each example.
        splits: By name.
        compression: Of the shards: `none` or `gzip`.
        statistics: Of the first split that has images.
        embedding: The network that made them: `model`, `alpha`, `weights`, `weights_sha256`.
    """

    name: str
    image: ImageSpec
    features: Mapping[str, FeatureSpec]
    splits: Mapping[str, Split]
    compression: str = "none"
    statistics: Statistics | None = None
    embedding: Mapping[str, Any] | None = None

    @property
    def encoding(self) -> Encoding:
        """How its examples hold images."""
        return encodings.of(self.image)


@dataclass(frozen=True, slots=True)
class Counts:
    """Inputs read, written and rejected by reason; `duplicates` are exact copies of an earlier input, kept."""

    read: int
    written: int
    rejected: Mapping[str, int]
    duplicates: int = 0

    def __post_init__(self) -> None:
        if self.read != self.written + sum(self.rejected.values()):
            raise DatasetError(
                f"{self.read} inputs were read, but {self.written} written and {sum(self.rejected.values())} rejected"
            )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set holds and how it was made.

    Attributes:
        dataset: The data set's name.
        class_names: In the order of `label_int`.
        counts: Of the inputs.
        variants: By name.
        duplicates: Exact copies: `images`, and how many of those lie `across_splits` and `across_labels`.
        ignored: Files and folders below the input that are no inputs, by kind.
        config: The resolved configuration.
        software: Package to version, and the machine's architecture.
        run: What differs between equal runs: when, how long, where.
        schema_version: Of the layout on disk.
    """

    dataset: str
    class_names: tuple[str, ...]
    counts: Counts
    variants: Mapping[str, Variant]
    duplicates: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of what equal runs share: classes and the digest of every shard."""
        shards = {
            f"{variant.name}/{shard.name}": shard.sha256
            for variant in self.variants.values()
            for split in variant.splits.values()
            for shard in split.shards
        }
        stable = [self.schema_version, list(self.class_names), sorted(shards.items())]
        return hashlib.sha256(json.dumps(stable, separators=(",", ":")).encode()).hexdigest()

    def variant(self, name: str | None) -> Variant:
        """Returns the variant of that name, or the only one where None is given.

        Raises:
            ConfigError: there is no such variant, or several and no name.
        """
        if name is None and len(self.variants) == 1:
            return next(iter(self.variants.values()))
        if name is None or name not in self.variants:
            raise ConfigError("--variant", name, f"one of {', '.join(self.variants)}")
        return self.variants[name]

    def split(self, variant: Variant, name: str) -> Split:
        """Returns a split that holds at least one example.

        Raises:
            ConfigError: the variant has no such split, or it is empty.
        """
        split = variant.splits.get(name)
        if split is None:
            raise ConfigError("split", name, f"one of {', '.join(variant.splits)}")
        if not split.num_examples:
            raise ConfigError("split", name, "a split with examples", "this one is empty: widen its share in --splits")
        return split


def to_json(manifest: Manifest) -> str:
    """Returns the manifest as JSON text, keys in a fixed order."""
    content: dict[str, Any] = {
        "schema_version": manifest.schema_version,
        "dataset": manifest.dataset,
        "fingerprint": manifest.fingerprint,
        "class_names": list(manifest.class_names),
        "counts": dataclasses.asdict(manifest.counts),
        "duplicates": dict(manifest.duplicates),
        "ignored": dict(manifest.ignored),
        "variants": {name: _variant_to_json(variant) for name, variant in manifest.variants.items()},
        "config": dict(manifest.config),
        "software": dict(manifest.software),
        "run": dict(manifest.run),
    }
    return json.dumps(content, indent=1) + "\n"


def from_json(text: str, where: str) -> Manifest:
    """Reads a manifest's text.

    Args:
        text: JSON.
        where: The file's name, for messages.

    Raises:
        DatasetError: no JSON, another schema version, a missing or wrong entry, or a fingerprint that doesn't match.
    """
    try:
        # A run's own statistics may be no numbers.
        content = parse_json(text, allow_nan=True)
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise DatasetError(
                f"{where}: schema version {version!r}; this release reads {SCHEMA_VERSION}: write the data set anew"
            )
        if content["dataset"] and not is_text(content["dataset"]):
            raise TypeError("dataset is no text")
        manifest = make(
            Manifest,
            dataset=content["dataset"],
            class_names=to_tuple(content["class_names"]),
            counts=_counts(content["counts"], where),
            variants={name: _variant_from_json(name, entry, where) for name, entry in content["variants"].items()},
            duplicates=content.get("duplicates", {}),
            ignored=content.get("ignored", {}),
            config=content.get("config", {}),
            software=content.get("software", {}),
            run=content.get("run", {}),
            schema_version=version,
        )
    except ValueError as error:
        raise DatasetError(f"{where}: no valid JSON ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{where}: not a manifest: {type(error).__name__}: {error}") from error
    if content.get("fingerprint", manifest.fingerprint) != manifest.fingerprint:
        raise DatasetError(f"{where}: its fingerprint doesn't match its shards: it was edited by hand or damaged")
    return manifest


def load(data_dir: str | Path, read_text: Callable[[str], str] | None = None) -> Manifest:
    """Loads the manifest of a data set.

    Args:
        data_dir: The data set's folder.
        read_text: Reads a text file of that path, raising `FileNotFoundError` where there is none; local by default.

    Raises:
        DatasetError: there is no manifest, so no complete data set, or it can't be read.
    """
    path = join(str(data_dir), MANIFEST_NAME)
    try:
        text = (read_text or _read_local)(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{data_dir}: no {MANIFEST_NAME}, so no complete data set; python -m etl.run writes it last"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8: it was edited by hand or damaged") from error
    return from_json(text, path)


def _read_local(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _counts(content: Mapping[str, Any], where: str) -> Counts:
    try:
        return make(Counts, **content)
    except DatasetError as error:
        raise DatasetError(f"{where}: {error}") from error


def _variant_to_json(variant: Variant) -> dict[str, Any]:
    return {
        "compression": variant.compression,
        "image": dataclasses.asdict(variant.image),
        "features": {
            name: {"dtype": spec.dtype, "shape": list(spec.shape), **({"optional": True} if spec.optional else {})}
            for name, spec in variant.features.items()
        },
        "statistics": dataclasses.asdict(variant.statistics) if variant.statistics else None,
        **({"embedding": dict(variant.embedding)} if variant.embedding else {}),
        "splits": {
            name: {
                "num_examples": split.num_examples,
                "num_bytes": split.num_bytes,
                "class_counts": dict(split.class_counts),
                "shards": [dataclasses.asdict(shard) for shard in split.shards],
            }
            for name, split in variant.splits.items()
        },
    }


def _variant_from_json(name: str, content: Mapping[str, Any], where: str) -> Variant:
    image = dict(content["image"])
    if image["encoding"] not in ENCODINGS:
        raise DatasetError(
            f"{where}: variant {name}: no encoding {image['encoding']!r} is known here, only {', '.join(ENCODINGS)}: "
            "did a newer release write it?"
        )
    image["size"] = to_tuple(image["size"]) if image.get("size") else None
    statistics = content.get("statistics")
    if statistics:
        channels = {field: to_tuple(statistics[field]) for field in ("mean", "std")}
        statistics = make(Statistics, **{**statistics, **channels})
    return make(
        Variant,
        name=name,
        image=make(ImageSpec, **image),
        features={
            feature: make(
                FeatureSpec,
                dtype=spec["dtype"],
                shape=to_tuple(spec["shape"]),
                optional=spec.get("optional", False),
            )
            for feature, spec in content["features"].items()
        },
        splits={
            split: make(
                Split,
                name=split,
                num_examples=entry["num_examples"],
                num_bytes=entry["num_bytes"],
                class_counts=entry["class_counts"],
                shards=tuple(make(Shard, **shard) for shard in entry["shards"]),
            )
            for split, entry in content["splits"].items()
        },
        compression=content.get("compression", "none"),
        statistics=statistics or None,
        embedding=content.get("embedding"),
    )
