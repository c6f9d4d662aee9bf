"""Any folder of images: one folder a class, `photos/<class>/…`, or a pattern such as `photos/*/*.jpg`.

In a folder, the class is the first part of a file's path below it, however deep the file lies; with a pattern, it is
the name of the folder that holds the file. Names that differ only in Unicode's normal form are one class. Files beside
the class folders belong to no class and are rejected as `unlisted`. What is known to hold no image (`names.py`) is no
input, but counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from etl import storage
from etl.errors import ConfigError
from etl.format.features import FeatureSpec
from etl.records import SourceImage
from etl.sources import splits, vocabulary
from etl.sources.files import names, tree
from etl.sources.files.found import FoundFile
from etl.sources.notes import Examples, shown
from etl.sources.options import SourceOptions
from etl.variants import VARIANTS

_EXPECTED = "a folder that holds one folder a class, or a pattern such as photos/*/*.jpg"

# What a data set's authors call its splits, in lower case.
_SPLIT_FOLDERS = """
train training trainset train_set val valid validation validate dev eval test testing testset test_set holdout
"""


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: a folder adds none to the common ones."""
    del options
    return {}


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or the names of the class folders, sorted.

    Raises:
        ConfigError: `--input` or what gives the class names is not as it should be.
    """
    root, folders = _find(options)
    given = vocabulary.load(options)
    if given is not None:
        return given
    if storage.is_pattern(root):
        return tuple(sorted({image.label for image in _list(root, options) if not image.ignored}))
    return tuple(sorted({names.normal(name) for name in folders}))


def dataset_name(options: SourceOptions) -> str:
    """Returns the name of the folder, or of the one in which a pattern starts."""
    root = storage.absolute(options.input or "")
    folder = storage.pattern_folder(root) if storage.is_pattern(root) else root
    return folder.rstrip("/").rpartition("/")[2] or "folder"


def list_images(options: SourceOptions) -> Iterator[SourceImage]:
    """Lists every file of every class folder, or every match of the pattern, and what is passed over.

    Raises:
        ConfigError: `--input` is missing, no such folder, or holds no file in a class folder.
    """
    root, _ = _find(options)
    splits.choose_by(options, ("hash",))
    if all(image.ignored for image in _list(root, options)):
        raise ConfigError("--input", options.input, _EXPECTED, "there is no file in any class folder")
    return vocabulary.mark_unknown(_list(root, options), vocabulary.load(options))


def notes(options: SourceOptions) -> list[str]:
    """Returns what the operator should know of the class folders: one class in two spellings, one that holds all."""
    root, folders = _find(options)
    lines = []
    inner = tree.list_folders(f"{root}/{folders[0]}", options.output) if len(folders) == 1 else []
    if inner:
        lines.append(f"all images are of one class, {shown(folders[0])}, in which lie folders: {Examples(inner)}")
    spellings: dict[str, list[str]] = {}
    for name in folders:
        spellings.setdefault(names.normal(name), []).append(name)
    merged = Examples(" = ".join(map(ascii, group)) for group in spellings.values() if len(group) > 1)
    if merged.count:
        lines.append(f"class folders that differ only in Unicode's normal form are one class: {merged}")
    return lines


def _find(options: SourceOptions) -> tuple[str, list[str]]:
    """Returns the folder or pattern to list, checked, and of a folder the names of the class folders, as spelled."""
    if not options.input:
        raise ConfigError("--input", options.input, _EXPECTED)
    root = storage.absolute(options.input)
    if storage.is_pattern(root):
        if all(found.ignored for found in tree.match(root, options.output)):
            raise ConfigError("--input", options.input, _EXPECTED, "no file matches this pattern")
        return root, []
    root = root.rstrip("/") or "/"
    if not storage.is_folder(root):
        hint = "there is no such folder"
        if storage.exists(root):
            hint = "this is a file; a list of images is read by --source csv"
        raise ConfigError("--input", options.input, _EXPECTED, hint)
    _check_apart(root, options)
    folders = tree.list_folders(root, options.output)
    if not folders:
        raise ConfigError("--input", options.input, _EXPECTED, "this folder holds no folders")
    _check_no_splits(root, folders, options)
    return root, folders


def _check_apart(root: str, options: SourceOptions) -> None:
    """Checks that input and output don't share a folder, in which each would find the other's files."""
    if options.output:
        real, output = (os.path.realpath(path) if storage.is_local(path) else path for path in (root, options.output))
        if real == output.rstrip("/"):
            raise ConfigError("--output", options.output, "a folder other than --input", "this is --input itself")
        if any(f"{real}/".startswith(f"{output}/{variant}/") for variant in VARIANTS):
            raise ConfigError("--output", options.output, f"a folder whose shards don't come to lie in {root}")
    if tree.is_dataset(root):
        raise ConfigError("--input", options.input, _EXPECTED, "this is a data set that etl.run wrote")


def _check_no_splits(root: str, folders: Sequence[str], options: SourceOptions) -> None:
    """Checks that the class folders are not splits, which would become the classes.

    Raises:
        ConfigError: at least two folders are named like splits and hold folders, or no folder is named otherwise. Not
            where `--labels` or `--classes_from` says that they are classes.
    """
    named = [name for name in folders if name.lower() in _SPLIT_FOLDERS.split()]
    if not named or set(named) <= set(vocabulary.load(options) or ()):
        return
    inside = {name: tree.list_folders(f"{root}/{name}", options.output) for name in named}
    nested = [name for name in named if inside[name]]
    alone = len(named) == len(folders)
    if len(nested) < 2 and not (alone and (nested or len(named) > 1)):
        return
    seen = f"{', '.join(named)} are splits, no classes"
    if nested:
        classes = inside[nested[0]]
        hint = (
            f"{seen}: in {nested[0]} lie {Examples(classes)}; give one of them ({options.input}/{nested[0]}), "
            f"all as one ('{options.input}/*/*/*'), or a list with a column of splits (--source csv)"
        )
    else:
        hint = f"{seen}; a list with columns of paths, labels and splits is read by --source csv"
    raise ConfigError("--input", options.input, _EXPECTED, f"{hint}; if they are classes, name them in --labels")


def _list(root: str, options: SourceOptions) -> Iterator[SourceImage]:
    by_pattern = storage.is_pattern(root)
    for found in tree.match(root, options.output) if by_pattern else tree.walk(root, options.output):
        label, slash, _ = found.name.partition("/")
        if by_pattern or slash or found.ignored:
            yield _image(found, names.normal(found.parent if by_pattern else label))
        else:
            message = "lies beside the class folders, so in no class"
            yield SourceImage(found.name, found.path, "", rejection="unlisted", message=message)


def _image(found: FoundFile, label: str) -> SourceImage:
    """Makes a listed image of a file that was found."""
    if found.ignored:
        return SourceImage(found.name, found.path, "", ignored=found.ignored)
    if found.problem:
        return SourceImage(found.name, found.path, label, rejection="unsupported", message=found.problem)
    return SourceImage(found.name, found.path, label, listed=found.listed)
