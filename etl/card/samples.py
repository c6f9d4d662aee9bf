"""The data on the page: thumbnails of each class, and some inputs that were rejected."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from etl import storage
from etl.card.record import Value, decode_features
from etl.errors import DatasetError, RecordError
from etl.format import layout
from etl.format.manifest import Manifest, Variant
from etl.format.parsing import make, parse_json
from etl.format.tfrecord import read_records
from etl.paths import join
from etl.records import Rejection

# With more the page is neither read nor light.
MOST_CLASSES = 40
SAMPLES_PER_CLASS = 8
EXAMPLES_PER_REASON = 3

# Shards are in a random order, so their first examples are a random sample. What is read at most: a few seconds' worth,
# also from an object store. Enough for 8 images of each of 200 equally common classes.
MOST_RECORDS = 4_000
MOST_BYTES = 512_000_000

# Longest side in pixels; of many classes smaller ones, so that the page stays under 2 MB.
_SIDE, _SMALL_SIDE = 176, 96
_FEW_CLASSES = 10
_QUALITY = 78


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of the page.

    Attributes:
        key: As stored.
        split: In which it lies.
        height: Of the stored image.
        width: Of the stored image.
        thumbnail: A JPEG file; empty where none could be made.
    """

    key: str
    split: str
    height: int
    width: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Samples:
    """The images of the page.

    Attributes:
        variant: Where they were read; "" where no variant holds images.
        num_records: How many examples were read for them.
        by_class: Class name to its samples, up to 40 classes, those without an example left out.
    """

    variant: str = ""
    num_records: int = 0
    by_class: Mapping[str, Sequence[Sample]] = field(default_factory=dict)


def class_totals(manifest: Manifest) -> dict[str, int]:
    """Returns the examples of each class over all splits; in the order of `label_int` where there are class names."""
    totals: Counter[str] = Counter(dict.fromkeys(manifest.class_names, 0))
    first = next(iter(manifest.variants.values()), None)
    for split in first.splits.values() if first else ():
        totals.update(dict(sorted(split.class_counts.items())))
    return dict(totals)


def collect_samples(data_dir: str, manifest: Manifest) -> Samples:
    """Reads up to 8 images of each of the first 40 classes that have any, from the first variant that holds images.

    Shards are read in order from their beginning, until every class has its images or 4,000 examples or 512 MB were
    read. One example is in memory at a time. The same data set gives the same samples.

    Args:
        data_dir: The data set's folder; its shards have their final names, its manifest need not be there.
        manifest: Its manifest.

    Raises:
        DatasetError: a shard is missing or damaged.
    """
    variant = next((item for item in manifest.variants.values() if item.encoding.has_images), None)
    wanted = {name: total for name, total in class_totals(manifest).items() if total}
    wanted = dict(list(wanted.items())[:MOST_CLASSES])
    if variant is None or not wanted:
        return Samples()
    side = _SIDE if len(wanted) <= _FEW_CLASSES else _SMALL_SIDE
    found: dict[str, list[Sample]] = {name: [] for name in wanted}
    num_records = num_bytes = 0
    for split, path, record in _records(data_dir, variant):
        num_records += 1
        num_bytes += len(record)
        try:
            features = decode_features(record, (variant.encoding.feature, "key", "label", "shape"))
            label = _text(features["label"])
            if label in wanted:
                wanted[label] -= 1
                if len(found[label]) < SAMPLES_PER_CLASS:
                    found[label].append(_sample(variant, split, features, side))
        except (ValueError, KeyError, RecordError) as error:
            raise DatasetError(f"{path}: an example that can't be read: {error}") from error
        full = all(len(found[name]) == SAMPLES_PER_CLASS or not left for name, left in wanted.items())
        if full or num_records >= MOST_RECORDS or num_bytes >= MOST_BYTES:
            break
    return Samples(variant.name, num_records, {name: tuple(samples) for name, samples in found.items()})


def read_rejected_examples(data_dir: str, manifest: Manifest) -> dict[str, list[Rejection]]:
    """Reads the first few rejected inputs of each reason; no more of the file than it takes to find them.

    Returns:
        Reason to at most 3 inputs; nothing where there is no `rejected.jsonl`.

    Raises:
        DatasetError: a line that can't be read.
    """
    found: dict[str, list[Rejection]] = {reason: [] for reason, count in manifest.counts.rejected.items() if count}
    path = join(data_dir, layout.REJECTED_NAME)
    if not found or not storage.exists(path):
        return {}
    with storage.open_stream(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                rejection = make(Rejection, **parse_json(line))
            except (ValueError, TypeError) as error:
                raise DatasetError(f"{path}: line {number} is no rejected input: {error}") from error
            if len(found.setdefault(rejection.reason, [])) < EXAMPLES_PER_REASON:
                found[rejection.reason].append(rejection)
            if all(
                len(found[name]) >= min(EXAMPLES_PER_REASON, count) for name, count in manifest.counts.rejected.items()
            ):
                break
    return found


def _records(data_dir: str, variant: Variant) -> Iterator[tuple[str, str, bytes]]:
    """Yields split, file and record, in the order of the splits and shards."""
    for split in variant.splits.values():
        for shard in split.shards:
            path = join(data_dir, variant.name, shard.name)
            try:
                with storage.open_stream(path) as file:
                    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if variant.compression == "gzip" else file
                    for record in read_records(stream):
                        yield split.name, path, record
            except FileNotFoundError as error:
                raise DatasetError(f"{path}: the shard is missing") from error
            except (ValueError, EOFError, gzip.BadGzipFile) as error:
                raise DatasetError(f"{path}: {error}") from error


def _sample(variant: Variant, split: str, features: Mapping[str, Value], side: int) -> Sample:
    height, width, channels = (int(length) for length in cast(tuple[int, ...], features["shape"]))
    pixels = variant.encoding.preview(features[variant.encoding.feature], (height, width, channels), side)
    thumbnail = _encode(pixels, side) if pixels is not None else b""
    return Sample(_text(features["key"]), split, height, width, thumbnail)


def _encode(pixels: np.ndarray, side: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _text(value: Value) -> str:
    return bytes(cast(memoryview, value)).decode("utf-8", "replace")
