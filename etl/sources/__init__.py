"""The sources: where images come from. One module a data set, found here by name.

A source module has

- `extras(options) -> Mapping[str, FeatureSpec]`: the features that it adds to the common ones,
- `class_names(options) -> tuple[str, ...]`: the vocabulary, in the order of `label_int`,
- `list_images(options) -> Iterator[SourceImage]`: all inputs in a stable order, lazily and without reading them; what
  is wrong with the options is raised by the call itself, before the first image,
- `read(uri) -> bytes`, only where its URIs have a scheme of its own, named in `SCHEMES`,
- `read_extras(key, extras) -> Mapping[str, ExtraValue]`, only where it lists references in place of larger extras.

An image's `split` may also name several splits joined by `+`, between which its content decides: see `splits.settle`.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Mapping
from types import ModuleType

from etl import storage
from etl.records import ExtraValue

# Name on the command line -> module. Names, not modules, so that one source doesn't load all.
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
    """Returns the module of a source named in `SOURCES`."""
    return importlib.import_module(SOURCES[name])


def read(uri: str) -> bytes:
    """Reads the bytes of one listed image.

    Raises:
        FileNotFoundError: there is none.
    """
    module = SCHEMES.get(uri.partition("://")[0])
    if module is None:
        try:
            return storage.read_bytes(uri)
        except OSError as error:
            if error.errno in _NO_SUCH_FILE:
                raise FileNotFoundError(uri) from error
            raise
    data: bytes = importlib.import_module(module).read(uri)
    return data


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
    """
    module = source(name)
    if not extras or not hasattr(module, "read_extras"):
        return extras
    completed: Mapping[str, ExtraValue] = module.read_extras(key, extras)
    return completed
