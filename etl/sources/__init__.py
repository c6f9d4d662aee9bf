"""The sources: where images come from. One module a data set, found here by name.

A source module has

- `extras(options) -> Mapping[str, FeatureSpec]`: the features that it adds to the common ones,
- `class_names(options) -> tuple[str, ...]`: the vocabulary, in the order of `label_int`,
- `list_images(options) -> Iterator[SourceImage]`: all inputs in a stable order, lazily and without reading them; what
  is wrong with the options is raised by the call itself, before the first image,
- `dataset_name(options) -> str`, only where it has a better one than the source's,
- `notes(options) -> list[str]`, only where there may be something that the operator should know of the input,
- `read(uri) -> bytes`, only where its URIs have a scheme of its own, named in `SCHEMES`,
- `read_extras(key, extras) -> Mapping[str, ExtraValue]`, only where it lists references in place of larger extras,
- `pin_extras(extras) -> Mapping[str, ExtraValue]`, there too: adds to the references the digests of what they name,
- `list_paths(options) -> tuple[str, ...]`, only where it reads lists: the files that hold them,
- `REASONS: Mapping[str, str]`, only where it rejects inputs for reasons of its own: their names and what they mean,
- `OPTIONS`, only where it has options of its own: a subclass of `SourceOptions` that declares them, see
  `etl.sources.options.option`; the functions above are given one,
- `ORIGIN: Origin`, only where its images are one public data set: where that comes from,
- `READS_FILES = False`, only where its images are read from no files.

An image is rejected by listing it with `rejection` and `message`, or by a `RecordError` from `read`, `read_extras` or
`pin_extras`; the reason is one of `etl.errors.reasons.REASONS` or of the module's own.

An image's `split` may also name several splits joined by `+`, between which its content decides: see
`etl.plan.sharding.settle`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from etl import storage
from etl.errors import ConfigError, DatasetError, reasons
from etl.format import layout
from etl.format.features import ExtraValue
from etl.paths import join
from etl.sources.files.archive import is_archive

if TYPE_CHECKING:
    from etl.sources.options import SourceOptions

# Name on the command line -> module. Names, not modules, so that workers load only the one that they need.
SOURCES: dict[str, str] = {
    "synthetic": "etl.sources.synthetic",
    "folder": "etl.sources.folder",
    "csv": "etl.sources.csv",
    "flowers": "etl.sources.flowers",
    "pets": "etl.sources.pets",
    "cifar10": "etl.sources.cifar10",
}

# Scheme of a URI -> the module that reads it; all other URIs are files.
SCHEMES: dict[str, str] = {"synthetic": "etl.sources.synthetic", "cifar10": "etl.sources.cifar10"}

# What the operating system says of a path that can't name a file.
_NO_SUCH_FILE = (errno.ENAMETOOLONG, errno.ELOOP)


def source(name: str) -> ModuleType:
    """Returns the module of a source named in `SOURCES`, with its reasons made known.

    Raises:
        ConfigError: its reasons are badly named, or another's.
    """
    return _load(SOURCES[name])


def _load(module_name: str) -> ModuleType:
    module = importlib.import_module(module_name)
    own = getattr(module, "REASONS", {})
    try:
        reasons.declare(module_name, own)
    except ValueError as error:
        raise ConfigError(f"REASONS of {module_name}", own, "reasons of its own", str(error)) from None
    return module


def explain(name: str, reason: str) -> str:
    """Returns what a reason of a data set means; "" where that depends on a source that is unknown here.

    Args:
        name: Of the source, as in the data set's manifest.
        reason: Why an input was rejected.
    """
    if name in SOURCES:
        source(name)
    return reasons.explain(reason)


def dataset_name(name: str, options: SourceOptions) -> str:
    """Returns what a data set of a source is called: the source's own name, unless it has a better one."""
    named = getattr(source(name), "dataset_name", None)
    return str(named(options)) if named else name


def read(uri: str) -> bytes:
    """Reads the bytes of one listed image.

    Raises:
        FileNotFoundError: there is none.
        RecordError: its source rejects it.
    """
    module = SCHEMES.get(uri.partition("://")[0])
    if module is None:
        try:
            return storage.read_bytes(uri)
        except OSError as error:
            if error.errno in _NO_SUCH_FILE:
                raise FileNotFoundError(uri) from error
            raise
    data: bytes = _load(module).read(uri)
    return data


def read_listed(uri: str, num_bytes: int, digest: str) -> bytes:
    """Reads the bytes of an image that was listed and digested before: the very same bytes, or none.

    The MD5 costs 0.16 ms for 100 kB, a twentieth of decoding them, and releases the interpreter's lock.

    Args:
        uri: As listed.
        num_bytes: The file's size then.
        digest: MD5 of its bytes then, in hexadecimal.

    Raises:
        DatasetError: the file is gone, or holds other bytes.
    """
    try:
        data = read(uri)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise DatasetError(f"{uri}: it was there when it was listed, and is gone now") from None
    if len(data) != num_bytes:
        raise DatasetError(f"{uri}: had {num_bytes} bytes when listed, now {len(data)}: it was changed; run again")
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != digest:
        raise DatasetError(f"{uri}: has other bytes than when it was listed: it was changed; run again")
    return data


def pin_extras(name: str, extras: Mapping[str, ExtraValue]) -> Mapping[str, ExtraValue]:
    """Adds to a listed image's references the digests of what they name, so that it can't change unnoticed.

    Args:
        name: Of the source.
        extras: As listed.
    """
    module = source(name)
    if not extras or not hasattr(module, "pin_extras"):
        return extras
    pinned: Mapping[str, ExtraValue] = module.pin_extras(extras)
    return pinned


def list_versions(name: str, options: SourceOptions) -> dict[str, str]:
    """Returns path to version of the files that say which images there are and what they are called.

    They are read more than once: for the class names and for the images. `Plan` compares before and after.

    Args:
        name: Of the source.
        options: Of the run.

    Raises:
        ConfigError: the options name no such files.
    """
    module = source(name)
    paths = list(module.list_paths(options)) if hasattr(module, "list_paths") else []
    if options.labels:
        paths.append(options.labels)
    if options.classes_from:
        paths += [options.classes_from, join(options.classes_from, layout.MANIFEST_NAME)]
    if options.input and is_archive(options.input):
        paths.append(options.input)
    versions = {}
    for path in paths:
        # What is missing or closed, its reader says; folders are no lists, and change with any file in them.
        with contextlib.suppress(OSError, ConfigError):
            if not storage.is_folder(path):
                versions[path] = storage.version(path)
    return versions


def read_extras(name: str, key: str, extras: Mapping[str, ExtraValue]) -> Mapping[str, ExtraValue]:
    """Completes a listed image's extras: reads those of which the list only holds a reference.

    Args:
        name: Of the source.
        key: Of the image.
        extras: As listed.

    Returns:
        The extras as an example stores them; an absent optional one is `()`.

    Raises:
        RecordError: what a reference names can't be read.
        DatasetError: it was changed since it was pinned.
    """
    module = source(name)
    if not extras or not hasattr(module, "read_extras"):
        return extras
    completed: Mapping[str, ExtraValue] = module.read_extras(key, extras)
    return completed
