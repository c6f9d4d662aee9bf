"""Managed image data sets: JSON lines that say where each image lies and what it shows.

A training service that keeps such data sets (Vertex AI does) hands them over so: one file or a pattern of files for
each split, each line one image. Here they become a data set like any other, whose shards hold the images' addresses in
place of the images; the pipeline opens those as late as it decodes them. Reading one image at a time from an object
store is slow, so a data set that is read more than once or twice is better written anew by `etl.run`.

A line, as the service exports and imports it:
{"imageGcsUri": "gs://b/1.jpg", "classificationAnnotation": {"displayName": "rose"},
 "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "training"}}
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import posixpath
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl import paths
from etl.errors import ConfigError, DatasetError, one_line
from etl.format import layout, schema
from etl.format import manifest as manifests
from etl.format.encodings import reference
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Variant
from etl.format.parsing import is_text, parse_json, split_lines
from etl.paths import join
from trainer.files import is_remote, read_bytes, translate_errors
from trainer.ingest import shares
from trainer.listing import list_files

VARIANT = "reference"
_IMAGE = ImageSpec(reference.ENCODING.name, "uint8")
FEATURES: Mapping[str, FeatureSpec] = {
    reference.ENCODING.feature: reference.ENCODING.spec(_IMAGE),
    "key": FeatureSpec("bytes"),
    "label": FeatureSpec("bytes"),
    "label_int": FeatureSpec("int64"),
}

# The service's words for splits, and ours.
_USES = {"training": "train", "validation": "validation", "test": "test"}
_USE_LABEL = "aiplatform.googleapis.com/ml_use"
_SPLITS = tuple(_USES.values())
_PART = re.compile(rf"(?:^|,)({'|'.join(_SPLITS)})=")
# Shards are permuted each epoch; so many make that worth while, and opening them costs nothing.
_NUM_SHARDS = 16
_MIN_SHARD_IMAGES = 64
_EXPECTED = 'an object as in {"imageGcsUri": "gs://b/1.jpg", "classificationAnnotation": {"displayName": "rose"}}'


@dataclass(frozen=True, slots=True)
class _Item:
    """One line: where the image lies, its label, and its split where the line says so."""

    uri: str
    label: str
    split: str | None


def is_managed(data_dir: str) -> bool:
    """Tells whether a data set is one of JSON lines: `FILES.jsonl`, or `train=FILES,validation=FILES,test=FILES`."""
    return _PART.match(data_dir) is not None or data_dir.endswith(".jsonl")


def localise(data_dir: str) -> str:
    """Returns the folder of a data set; one of JSON lines gets a folder for as long as the process lives.

    Args:
        data_dir: A data set's folder, which is returned as it is; or JSON lines. `FILES` may be a pattern, local or on
            an object store.

    Raises:
        ConfigError: no path that is supported; there are no such files, or a line isn't what it should be.
        DatasetError: no line has a label.
    """
    return _write_once(data_dir) if is_managed(data_dir) else paths.check("data_dir", data_dir)


@functools.cache
def _write_once(data_dir: str) -> str:
    items, num_unlabelled = _read(data_dir)
    if not items:
        raise DatasetError(f"{data_dir}: no line has a label, so there is nothing to learn from")
    folder = tempfile.mkdtemp(prefix="petalstream-managed-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _write(folder, items, num_unlabelled)
    return folder


def _read(data_dir: str) -> tuple[list[_Item], int]:
    """Returns the items of all files, and the number of lines without a label."""
    items: list[_Item] = []
    num_unlabelled = 0
    for split, pattern in _parse(data_dir):
        with translate_errors("--data_dir", pattern, "JSON lines that can be read"):
            for path, number, line in _lines(pattern):
                item = _parse_line(line, f"{path}, line {number}", posixpath.dirname(path), split)
                if item is None:
                    num_unlabelled += 1
                else:
                    items.append(item)
    return items, num_unlabelled


def _parse(data_dir: str) -> Sequence[tuple[str | None, str]]:
    """Returns the files of each split; None where the lines themselves say which."""
    pieces = _PART.split(data_dir)
    if len(pieces) == 1:
        return [(None, paths.check("--data_dir", data_dir))]
    return [(split, paths.check("--data_dir", files)) for split, files in zip(pieces[1::2], pieces[2::2], strict=True)]


def _lines(pattern: str) -> Iterator[tuple[str, int, bytes]]:
    """Yields each file's lines, with its name and their numbers."""
    for path in list_files([pattern], "--data_dir"):
        try:
            data = read_bytes(path)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ConfigError("--data_dir", path, "a file of JSON lines, or a pattern of such files") from error
        for number, line in split_lines(data):
            yield path, number, line


def _parse_line(line: bytes, where: str, folder: str, split: str | None) -> _Item | None:
    try:
        content = parse_json(line)
        uri = content["imageGcsUri"]
        labels = [each["displayName"] for each in _annotations(content)]
        use = content.get("dataItemResourceLabels", {}).get(_USE_LABEL, "training")
        if not all(is_text(value) for value in (uri, *labels)) or "\0" in uri:
            raise TypeError("an address or a label is no text")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else one_line(error)
        raise ConfigError("--data_dir", where, _EXPECTED, why) from error
    if len(labels) > 1:
        raise ConfigError("--data_dir", where, "one label an image", f"this one has {len(labels)}: {', '.join(labels)}")
    if not isinstance(use, str) or use not in _USES:
        expected = f"{_USE_LABEL} to be one of {', '.join(_USES)}"
        raise ConfigError("--data_dir", where, expected, f"it is {str(use)[:80]}")
    if problem := paths.problem(uri):
        raise ConfigError("--data_dir", where, f"an image at {paths.EXPECTED}", f"{uri}: {problem}")
    if not labels:
        return None
    is_whole = is_remote(uri) or os.path.isabs(uri)
    return _Item(uri if is_whole else posixpath.join(folder, uri), labels[0], split or _USES[use])


def _annotations(content: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    several = content.get("classificationAnnotations")
    if several is not None:
        return list(several)
    one = content.get("classificationAnnotation")
    return [] if one is None else [one]


def _write(folder: str, items: Sequence[_Item], num_unlabelled: int) -> None:
    """Writes the data set: equal lines, in any order and any files, give equal bytes."""
    os.mkdir(os.path.join(folder, VARIANT))
    class_names = tuple(sorted({item.label for item in items}))
    # By a hash of the address: an order that owes nothing to the listing's, which is often that of the classes.
    ordered = sorted(items, key=lambda item: hashlib.sha256(item.uri.encode()).digest())
    splits = {}
    for name in _SPLITS:
        mine = [item for item in ordered if item.split == name]
        if mine:
            splits[name] = _write_split(os.path.join(folder, VARIANT), name, mine, class_names)
    rejected = {"unlisted": num_unlabelled} if num_unlabelled else {}
    made = Manifest(
        dataset="managed",
        class_names=class_names,
        counts=Counts(len(items) + num_unlabelled, len(items), rejected),
        variants={VARIANT: Variant(VARIANT, _IMAGE, FEATURES, splits)},
    )
    with open(join(folder, layout.MANIFEST_NAME), "w", encoding="utf-8") as file:
        file.write(manifests.to_json(made))


def _write_split(folder: str, split: str, items: Sequence[_Item], class_names: Sequence[str]) -> Split:
    import tensorflow as tf

    numbers = {name: number for number, name in enumerate(class_names)}
    num_shards = min(_NUM_SHARDS, max(1, len(items) // _MIN_SHARD_IMAGES))
    shards = []
    for index in range(num_shards):
        first, last = shares.cut(len(items), index, num_shards)
        name = layout.shard_name(split, index, num_shards)
        path = os.path.join(folder, name)
        with tf.io.TFRecordWriter(path) as writer:
            for item in items[first:last]:
                texts = {"uri": item.uri, "key": item.uri, "label": item.label}
                writer.write(schema.encode_example({**texts, "label_int": numbers[item.label]}))
        with open(path, "rb") as file:
            data = file.read()
        shards.append(Shard(name, last - first, len(data), hashlib.sha256(data).hexdigest()))
    counts = Counter(dict.fromkeys(class_names, 0))
    counts.update(item.label for item in items)
    return Split(split, len(items), sum(shard.num_bytes for shard in shards), dict(counts), tuple(shards))
