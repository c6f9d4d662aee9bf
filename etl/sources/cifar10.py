"""CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes, in the official Python pickles.

`--input` takes the folder `cifar-10-batches-py`, the folder above it, or the archive `cifar-10-python.tar.gz`; without
it the archive is downloaded.

With `--split_by official` the test split is `test_batch`, and the content of each image of the training batches decides
between train and validation, by the shares that `--splits` gives these two.

The images have no files of their own: `cifar10://<path of the batch>#<place in it>@<MD5 of the batch>` is read as a PNG
file. The MD5 may be left out; with it, labels and pixels are of the same batch, however often its file is replaced.
"""

from __future__ import annotations

import hashlib
import re
import struct
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from etl import storage
from etl.errors import ConfigError, DatasetError
from etl.format.features import FeatureSpec
from etl.records import SourceImage
from etl.sources import pickles, splits, vocabulary
from etl.sources.files import archive, tree
from etl.sources.options import Origin, SourceOptions

# SHA-256 as Keras publishes it for this file, size as the server gives it.
ARCHIVE = archive.Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    num_bytes=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)

ORIGIN = Origin(
    url="https://www.cs.toronto.edu/~kriz/cifar.html",
    license="",
    citation="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
)

SIDE = 32
CHANNELS = 3

_SCHEME = "cifar10://"
_META_NAME = "batches.meta"
_BATCH_NAME = re.compile(r"data_batch_\d+|test_batch")
_TEST_NAME = "test_batch"
_EXPECTED = f"the folder cifar-10-batches-py or the archive {ARCHIVE.name}"

# The full set has six batches of 31 MB. A shuffled order asks for all of them in turn, so fewer would be loaded anew
# for almost every image.
_NUM_CACHED = 6


@dataclass(frozen=True, slots=True)
class _Batch:
    """One file: pixels uint8 (N, 3072), the red plane, the green, the blue, row by row; labels (N,) from 0; its MD5."""

    pixels: np.ndarray
    labels: tuple[int, ...]
    digest: str


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: CIFAR-10 adds none to the common ones."""
    del options
    return {}


def list_paths(options: SourceOptions) -> tuple[str, ...]:
    """Returns the file of the class names; raises what `class_names` does. The batches' digests are in the URIs."""
    return (f"{_folder(options)}/{_META_NAME}",)


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or the ten of `batches.meta`.

    Raises:
        ConfigError: an option is not as it should be, or `batches.meta` can't be read.
        DownloadError: `--input` is left out and the archive can't be had.
    """
    given = vocabulary.load(options)
    return _label_names(_folder(options)) if given is None else given


def list_images(options: SourceOptions) -> Iterator[SourceImage]:
    """Lists the images batch by batch; raises what `class_names` does, and `ConfigError` for a broken batch."""
    official = splits.choose_by(options, ("official", "hash")) == "official"
    folder = _folder(options)
    names = sorted(found.name for found in tree.walk(folder) if not found.ignored and _BATCH_NAME.fullmatch(found.name))
    if not names:
        raise ConfigError("--input", folder, _EXPECTED, "it holds no data_batch_1 to 5 and no test_batch")
    images = _list(folder, names, _label_names(folder), official=official)
    return vocabulary.mark_unknown(images, vocabulary.load(options))


def read(uri: str) -> bytes:
    """Reads one image as a PNG file, 32 x 32 RGB, lossless. Several threads may call this at once.

    Args:
        uri: As listed.

    Raises:
        FileNotFoundError: there is no such batch, or no such place in it.
        ConfigError: the batch is broken.
        DatasetError: it isn't the one that was listed.
    """
    path, _, fragment = uri.removeprefix(_SCHEME).rpartition("#")
    place, _, digest = fragment.partition("@")
    pixels = _cache.get(path, digest)
    if not place.isdecimal() or int(place) >= len(pixels):
        raise FileNotFoundError(uri)
    planes = pixels[int(place)].reshape(CHANNELS, SIDE, SIDE)
    return encode_png(planes.transpose(1, 2, 0))


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes pixels as a PNG file without compressing them.

    Libraries compress differently from version to version; these bytes, and with them the digest on which the splits
    depend, stay the same for ever.

    Args:
        pixels: uint8, (height, width, 3), at most 65,535 bytes with one more for each row.
    """
    height, width, _ = pixels.shape
    # Each row starts with its filter: none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0))).tobytes()
    # A zlib stream of one stored block: header, last-block mark, length and its complement, bytes, checksum.
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    stored += struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", stored), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _list(folder: str, names: list[str], labels: tuple[str, ...], *, official: bool) -> Iterator[SourceImage]:
    for name in names:
        path = f"{folder}/{name}"
        split = ("test" if name == _TEST_NAME else splits.TRAIN_OR_VALIDATION) if official else None
        batch = _load_batch(path)
        for place, label in enumerate(batch.labels):
            key, uri = f"{name}/{place:05d}.png", f"{_SCHEME}{path}#{place}@{batch.digest}"
            if label < len(labels):
                yield SourceImage(key, uri, labels[label], split)
            else:
                message = f"label {label} is none of the {len(labels)} in {_META_NAME}"
                yield SourceImage(key, uri, "", split, rejection="unknown_label", message=message)


def _folder(options: SourceOptions) -> str:
    root = archive.unpacked(options.input, ARCHIVE)
    for folder in (root, f"{root}/cifar-10-batches-py"):
        if storage.exists(f"{folder}/{_META_NAME}"):
            return folder
    hint = f"there is no {_META_NAME} in it" if storage.is_folder(root) else "there is no such folder"
    raise ConfigError("--input", options.input or root, _EXPECTED, hint)


def _label_names(folder: str) -> tuple[str, ...]:
    path = f"{folder}/{_META_NAME}"
    names = _parse_dict(storage.read_bytes(path), path).get(b"label_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, bytes) for name in names):
        raise ConfigError("--input", path, _EXPECTED, "this file has no label_names")
    return tuple(name.decode("utf-8", "backslashreplace") for name in names)


def _load_batch(path: str) -> _Batch:
    data = storage.read_bytes(path)
    content = _parse_dict(data, path)
    pixels, labels = content.get(b"data"), content.get(b"labels")
    if (
        not isinstance(pixels, pickles.Array)
        or pixels.values.shape[1:] != (CHANNELS * SIDE * SIDE,)
        or not isinstance(labels, list)
        or len(labels) != len(pixels.values)
        or not all(isinstance(label, int) and label >= 0 for label in labels)
    ):
        raise ConfigError("--input", path, _EXPECTED, "this file holds no images of 32 x 32 pixels with their labels")
    return _Batch(pixels.values, tuple(labels), hashlib.md5(data, usedforsecurity=False).hexdigest())


def _parse_dict(data: bytes, path: str) -> dict[Any, Any]:
    try:
        content = pickles.load(data)
    except pickles.PickleError as error:
        raise ConfigError("--input", path, _EXPECTED, f"this file can't be trusted: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError("--input", path, _EXPECTED, "this file holds no dictionary")
    # Written by Python 2 the names are bytes, written by Python 3 they may be text.
    return {name.encode() if isinstance(name, str) else name: value for name, value in content.items()}


class _Cache:
    """The pixels of the batches used last, loaded once in this process however many threads ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By path and digest: in a process that lives longer than a run a path alone may stand for two files.
        self._batches: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()

    def get(self, path: str, digest: str) -> np.ndarray:
        with self._lock:
            if (path, digest) not in self._batches:
                batch = _load_batch(path)
                if digest not in ("", batch.digest):
                    raise DatasetError(f"{path}: has other bytes than when it was listed: it was changed; run again")
                self._batches[path, digest] = batch.pixels
            self._batches.move_to_end((path, digest))
            if len(self._batches) > _NUM_CACHED:
                self._batches.popitem(last=False)
            return self._batches[path, digest]


_cache = _Cache()
