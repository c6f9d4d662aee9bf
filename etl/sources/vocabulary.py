"""Class names given from outside: a labels file, or an earlier data set's manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from etl import storage
from etl.errors import ConfigError, DatasetError, reading
from etl.format import manifest
from etl.records import SourceImage
from etl.sources.files.names import normal
from etl.sources.options import SourceOptions


def load(options: SourceOptions) -> tuple[str, ...] | None:
    """Loads the class names that `--labels` or `--classes_from` gives.

    Returns:
        The names in the order of `label_int`; None where neither is given, so that the source names its own.

    Raises:
        ConfigError: both are given, or the file is missing, empty or not what it should be.
    """
    if options.labels is not None and options.classes_from is not None:
        raise ConfigError("--classes_from", options.classes_from, "either --classes_from or --labels, not both")
    if options.labels is not None:
        return _from_labels(options.labels)
    if options.classes_from is not None:
        return _from_manifest(options.classes_from)
    return None


def mark_unknown(images: Iterable[SourceImage], class_names: Collection[str] | None) -> Iterator[SourceImage]:
    """Gives labels the class names' spelling, and rejects, one by one, the images whose label is not among them.

    Args:
        images: As listed.
        class_names: What `load` returned; None lets all pass.
    """
    if class_names is None:
        yield from images
        return
    # A class that an earlier release wrote, as a Mac's file system spells it, keeps its name.
    spelled = {normal(name): name for name in class_names} | {name: name for name in class_names}
    for image in images:
        if image.rejection is not None or image.ignored:
            yield image
            continue
        label = spelled.get(image.label, spelled.get(normal(image.label)))
        if label is None:
            message = f"label {image.label!r} is not among the {len(class_names)} class names"
            yield replace(image, rejection="unknown_label", message=message)
        else:
            yield image if label == image.label else replace(image, label=label)


def _from_labels(path: str) -> tuple[str, ...]:
    expected = "a UTF-8 text file with one class name a line"
    try:
        with reading("--labels", path, expected):
            text = storage.read_text(path)
    except UnicodeDecodeError:
        raise ConfigError("--labels", path, expected, "its bytes are no UTF-8") from None
    # Editors on Windows put a byte order mark in front.
    names = [normal(line.strip()) for line in text.removeprefix("\ufeff").split("\n")]
    names = [name for name in names if name]
    if not names:
        raise ConfigError("--labels", path, expected, "the file is empty")
    repeated, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ConfigError("--labels", path, "each class name once", f"{repeated!r} is there more than once")
    return tuple(names)


def _from_manifest(path: str) -> tuple[str, ...]:
    expected = "the folder of an earlier data set, or its manifest.json"
    try:
        with reading("--classes_from", path, expected):
            if path.endswith(".json"):
                earlier = manifest.from_json(storage.read_text(path), path)
            else:
                earlier = manifest.load(path, storage.read_text)
    except (DatasetError, UnicodeDecodeError) as error:
        raise ConfigError("--classes_from", path, expected, str(error)) from error
    if not earlier.class_names:
        raise ConfigError("--classes_from", path, "a data set with class names", "this one has none")
    return earlier.class_names
