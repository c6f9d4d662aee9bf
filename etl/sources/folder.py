"""Any folder of photographs: one folder a class, `photos/<class>/…`, or a pattern such as `photos/*/*.jpg`.

In a folder, the class is the first part of a file's path below it, however deep the file lies; with a pattern, it is
the name of the folder that holds the file. Files beside the class folders belong to no class: those that are named like
an image are rejected as `unlisted`, the others (a licence, a table) are no inputs. Nor is what starts with a dot.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from etl import storage
from etl.config import SourceOptions
from etl.errors import ConfigError
from etl.records import FeatureSpec, SourceImage
from etl.sources import splits, tree, vocabulary

_EXPECTED = "a folder that holds one folder a class, or a pattern such as photos/*/*.jpg"

# Only tells what, beside the class folders, looks like a lost photograph; in a class folder the bytes are judged.
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".avif", ".heic", ".tif", ".tiff", ".jp2", ".jxl")


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: a folder adds none to the common ones."""
    del options
    return {}


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or the names of the class folders, sorted.

    Raises:
        ConfigError: `--input` or what gives the class names is not as it should be.
    """
    root = _root(options)
    given = vocabulary.load(options)
    if given is not None:
        return given
    if storage.is_pattern(root):
        return tuple(sorted({found.parent for found in tree.match(root)}))
    return tuple(tree.list_folders(root))


def list_images(options: SourceOptions) -> Iterator[SourceImage]:
    """Lists every file of every class folder, or every match of the pattern.

    Raises:
        ConfigError: `--input` is missing, no such folder, or holds no file in a class folder.
    """
    root = _root(options)
    splits.choose_by(options, ("hash",))
    images = _list_matches(root) if storage.is_pattern(root) else _list_folder(root)
    first = next(images, None)
    if first is None:
        raise ConfigError("--input", options.input, _EXPECTED, "there is no file in any class folder")
    return vocabulary.mark_unknown(itertools.chain([first], images), vocabulary.load(options))


def _root(options: SourceOptions) -> str:
    """Returns the folder or pattern to list, checked."""
    if not options.input:
        raise ConfigError("--input", options.input, _EXPECTED)
    root = storage.absolute(options.input)
    if storage.is_pattern(root):
        if next(tree.match(root), None) is None:
            raise ConfigError("--input", options.input, _EXPECTED, "no file matches this pattern")
        return root
    root = root.rstrip("/") or "/"
    if not storage.is_folder(root):
        mend = "there is no such folder"
        if storage.exists(root):
            mend = "this is a file; a list of images is read by --source csv"
        raise ConfigError("--input", options.input, _EXPECTED, mend)
    if not tree.list_folders(root):
        raise ConfigError("--input", options.input, _EXPECTED, "this folder holds no folders")
    return root


def _list_folder(root: str) -> Iterator[SourceImage]:
    for found in tree.walk(root):
        label, slash, _ = found.name.partition("/")
        if slash:
            yield _image(found, label)
        elif found.name.lower().endswith(_IMAGE_ENDINGS):
            message = "lies beside the class folders, so in no class"
            yield SourceImage(found.name, found.path, "", rejection="unlisted", message=message)


def _list_matches(pattern: str) -> Iterator[SourceImage]:
    return (_image(found, found.parent) for found in tree.match(pattern))


def _image(found: tree.FoundFile, label: str) -> SourceImage:
    if found.problem:
        return SourceImage(found.name, found.path, label, rejection="unsupported", message=found.problem)
    return SourceImage(found.name, found.path, label, listed=found.listed)
