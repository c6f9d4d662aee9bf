"""Checks a data set on disk against its manifest, shard by shard and record by record."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import numpy as np
import tensorflow as tf

from etl import progress, storage
from etl.errors import RecordError, limits
from etl.format.manifest import Manifest, Shard, Split, Variant
from etl.format.schema import feature_spec
from etl.format.tfrecord import read_records
from etl.parallel import ordered_map
from etl.paths import join
from etl.verify.index_check import check_index, row_facts
from etl.verify.sizes import describe_size, find_stray_files

# Of one shard no more problems are listed than a person reads.
_MOST_PROBLEMS = 5
_CHUNK_BYTES = 1 << 20

# From a record's number and bytes to what it holds, or to a line that says what is wrong with it.
_Check = Callable[[tuple[int, bytes]], "Example | str"]


@dataclass(slots=True)
class Report:
    """What checking found.

    Attributes:
        problems: One line each; empty where all is well.
        num_records: Examples parsed and decoded.
    """

    problems: list[str] = field(default_factory=list)
    num_records: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One example as stored.

    Attributes:
        features: As parsed.
        pixels: Its image, uint8 (height, width, 3); None of an embedding.
        num_bytes: Of its record.
    """

    features: dict[str, Any]
    pixels: np.ndarray | None
    num_bytes: int

    def index_facts(self) -> bytes:
        """Returns what the index must say of it."""
        key, label, digest = (self.features[name].decode() for name in ("key", "label", "digest"))
        shape = [int(side) for side in self.features["shape"]]
        return row_facts(key, label, int(self.features["label_int"]), shape, digest, self.num_bytes)


def verify(
    data_dir: str, manifest: Manifest, num_threads: int, see: Callable[[Variant, Example], None] = lambda *_: None
) -> Report:
    """Checks names, sizes, digests and counts, parses and decodes every record, and checks the index of each variant.

    Args:
        data_dir: The data set's folder.
        manifest: Its manifest.
        num_threads: Records decoded at once.
        see: Is shown every good example.

    Returns:
        The problems found; the first few of each shard.
    """
    report = Report()
    for variant in manifest.variants.values():
        report.problems += find_stray_files(data_dir, variant)
        seen: set[bytes] = set()
        digests: dict[str, bytes] = {}
        check = _checker(manifest, variant)
        for split in variant.splits.values():
            classes: Counter[str] = Counter()
            for shard in split.shards:
                path = join(data_dir, variant.name, shard.name)
                problems = _check_file(path, shard)
                listed = hashlib.blake2b()
                if not problems:
                    for outcome in _examples(path, variant, check, num_threads):
                        progress.advance()
                        report.num_records += 1
                        if isinstance(outcome, str):
                            problems.append(outcome)
                            continue
                        classes[outcome.features["label"].decode()] += 1
                        listed.update(outcome.index_facts())
                        # Ten bytes a key tell them apart, and a million of them fit in memory.
                        key = hashlib.blake2b(outcome.features["key"], digest_size=10).digest()
                        if key in seen:
                            problems.append(f"key {outcome.features['key'].decode()!r} is there more than once")
                        seen.add(key)
                        see(variant, outcome)
                digests[shard.name] = listed.digest()
                more = len(problems) - _MOST_PROBLEMS
                report.problems += [f"{variant.name}/{shard.name}: {problem}" for problem in problems[:_MOST_PROBLEMS]]
                if more > 0:
                    report.problems.append(f"{variant.name}/{shard.name}: and {more} more")
            report.problems += _check_split(variant, split, classes, report)
        if not any(problem.startswith(f"{variant.name}/") for problem in report.problems):
            report.problems += check_index(data_dir, variant, digests)
    return report


def _check_file(path: str, shard: Shard) -> list[str]:
    """Compares a shard's size and digest with the manifest's."""
    sha256 = hashlib.sha256()
    num_bytes = 0
    try:
        with storage.open_stream(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha256.update(chunk)
                num_bytes += len(chunk)
    except FileNotFoundError:
        return ["the file is missing"]
    except OSError as error:
        return [f"it can't be read: {limits.reason(error)}"]
    if num_bytes != shard.num_bytes:
        return [describe_size(num_bytes, shard)]
    if sha256.hexdigest() != shard.sha256:
        return ["its SHA-256 is not the manifest's: the file was changed"]
    return []


def _check_split(variant: Variant, split: Split, classes: Counter[str], report: Report) -> list[str]:
    """Compares counts with the manifest's, where no shard has a problem of its own."""
    if any(problem.startswith(f"{variant.name}/{split.name}-") for problem in report.problems):
        return []
    where = f"{variant.name}/{split.name}"
    problems = []
    if classes.total() != split.num_examples:
        problems.append(f"{where}: {classes.total():,} examples, the manifest says {split.num_examples:,}")
    stated = {name: count for name, count in split.class_counts.items() if count}
    if dict(classes) != stated:
        problems.append(f"{where}: the examples a class are not those of the manifest")
    if sum(shard.num_examples for shard in split.shards) != split.num_examples:
        problems.append(f"{where}: the manifest's shards don't add up to its split")
    return problems


def _examples(path: str, variant: Variant, check: _Check, num_threads: int) -> Iterator[Example | str]:
    """Yields each record of a shard as an example, or as a line that says what is wrong with it."""
    with storage.open_stream(path) as file:
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if variant.compression == "gzip" else file
        try:
            yield from ordered_map(check, enumerate(read_records(stream)), num_threads)
        except ValueError as error:
            yield str(error)


def _checker(manifest: Manifest, variant: Variant) -> _Check:
    """Returns the function that parses, decodes and checks one record."""
    spec = feature_spec(variant.features)
    parse = tf.function(
        lambda record: tf.io.parse_single_example(record, spec), input_signature=[tf.TensorSpec((), tf.string)]
    )

    def check(numbered: tuple[int, bytes]) -> Example | str:
        number, record = numbered
        try:
            features = {name: value.numpy() for name, value in parse(record).items()}
        except tf.errors.InvalidArgumentError as error:
            return f"record {number}: not an example of this variant: {error.message}"
        key, label, place = features["key"].decode(), features["label"].decode(), int(features["label_int"])
        if manifest.class_names and not (
            0 <= place < len(manifest.class_names) and manifest.class_names[place] == label
        ):
            return f"record {number}, {key!r}: label {label!r} is not class {place} of the manifest"
        try:
            pixels = variant.encoding.to_array(features)
        except RecordError as error:
            return f"record {number}, {key!r}: {error.reason}: {error.message}"
        if pixels is None:
            return Example(features, None, len(record))
        if pixels.shape != tuple(features["shape"]):
            return f"record {number}, {key!r}: decodes to {pixels.shape}, its shape says {tuple(features['shape'])}"
        if variant.image.size and pixels.shape[:2] != variant.image.size:
            return f"record {number}, {key!r}: {pixels.shape[:2]}, the manifest says {variant.image.size}"
        return Example(features, pixels, len(record))

    return check
