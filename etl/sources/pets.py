"""The Oxford-IIIT pets: 7,390 images of cats and dogs, 37 breeds, with official lists for training and test.

`--input` takes the folder that holds `images/` and `annotations/`, the folder above it, or a folder with the two
official archives (or one of these); without it they are downloaded.

With `--split_by official` the test split is the official one, and the content of the images of `trainval.txt` decides
between train and validation, by the shares that `--splits` gives these two. Images in no list are rejected as
`unlisted`; with `--include_unlisted` they are written, and belong to train, so that the others stay comparable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etl import storage
from etl.cli import is_digits
from etl.errors import ConfigError, DatasetError, RecordError, reading
from etl.format.features import ExtraValue, FeatureSpec
from etl.records import SourceImage
from etl.sources import boxes, splits, vocabulary
from etl.sources.files import archive, names, tree
from etl.sources.options import Origin, SourceOptions, option

# Size and SHA-256 as TensorFlow Datasets publishes them for oxford_iiit_pet.
IMAGES = archive.Archive(
    url="https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
    num_bytes=791_918_971,
    sha256="67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
)
ANNOTATIONS = archive.Archive(
    url="https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
    num_bytes=19_173_078,
    sha256="52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
)

ORIGIN = Origin(
    url="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    license="https://creativecommons.org/licenses/by-sa/4.0/",
    citation="O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: Cats and Dogs, CVPR 2012",
)

LABELS = ("breed", "species")

# In the order of the numbers 1 and 2 in the lists.
SPECIES = ("cat", "dog")

_EXPECTED = f"a folder with images/ and annotations/, or with {IMAGES.name} and {ANNOTATIONS.name}"
_LIST_NAMES = ("list.txt", "trainval.txt", "test.txt")
_LIST_COLUMNS = 4

# Extras of which the list holds a reference: a digest and a path, with a space between.
_REFERENCES = ("bbox", "trimap")
# In place of the digest: not read yet, and not to be read when it was tried.
_UNREAD, _UNREADABLE = "?", "-"


@dataclass(frozen=True, slots=True)
class PetsOptions(SourceOptions):
    """The options with those of this source.

    Attributes:
        label: What the pets are labelled with: `breed` or `species`.
        include_unlisted: Whether those that are in no list are written.
        trimaps: Whether their trimaps are written.
    """

    label: str = option("breed", choices=LABELS, help="for pets: what the label is")
    include_unlisted: bool = option(False, help="for pets: write images that are in no list too")
    trimaps: bool = option(False, help="for pets: add the trimap, a PNG, to each example")


OPTIONS = PetsOptions


@dataclass(frozen=True, slots=True)
class _Folders:
    images: str
    annotations: str


@dataclass(frozen=True, slots=True)
class _Pet:
    """One line of a list: the breed's number from 1 to 37 and the species' name."""

    class_id: int
    species: str


@dataclass(frozen=True, slots=True)
class _Lists:
    """What the lists say.

    Attributes:
        pets: By image name, without its ending.
        test: The names in the official test split; all others are for training and validation.
        breeds: Breed name to one of its pets, in the order of the breeds' numbers.
    """

    pets: Mapping[str, _Pet]
    test: frozenset[str]
    breeds: Mapping[str, _Pet]


def extras(options: PetsOptions) -> Mapping[str, FeatureSpec]:
    """Returns `species`, `bbox` and, where asked for, `trimap`.

    `species` is `cat` or `dog`. `bbox` is the head's box where the annotations know it: top, left, bottom, right, as
    fractions (0 to 1) of the source image's height and width. `trimap` is a PNG file, as large as the source image: 1
    the pet, 2 background, 3 the border between; resizing leaves it as it is.
    """
    features = {"species": FeatureSpec("bytes"), "bbox": FeatureSpec("float32", (4,), optional=True)}
    if options.trimaps:
        features["trimap"] = FeatureSpec("bytes", optional=True)
    return features


def list_paths(options: PetsOptions) -> tuple[str, ...]:
    """Returns the official lists; raises what `class_names` does."""
    annotations = _folders(options).annotations
    return tuple(f"{annotations}/{name}" for name in _LIST_NAMES)


def class_names(options: PetsOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, the breeds in the order of their official numbers, or `cat` and `dog`.

    Raises:
        ConfigError: an option is not as it should be, or the lists can't be read.
        DownloadError: `--input` is left out and the archives can't be had.
    """
    _check_label(options)
    given = vocabulary.load(options)
    if given is not None:
        return given
    return SPECIES if options.label == "species" else tuple(_read_lists(_folders(options)).breeds)


def list_images(options: PetsOptions) -> Iterator[SourceImage]:
    """Lists every file of `images/`, and what the lists name beyond these; raises what `class_names` does."""
    _check_label(options)
    official = splits.choose_by(options, ("official", "hash")) == "official"
    folders = _folders(options)
    lists = _read_lists(folders)
    images = _list(options, folders, lists, official=official)
    return vocabulary.mark_unknown(images, vocabulary.load(options))


def pin_extras(extras: Mapping[str, ExtraValue]) -> Mapping[str, ExtraValue]:
    """Adds to the references of one image the MD5 of the annotations, where the listing didn't say it.

    Args:
        extras: As listed.

    Returns:
        The extras, with references that `read_extras` holds to.
    """
    pinned = dict(extras)
    for name in _REFERENCES:
        digest, _, path = str(extras.get(name, "")).partition(" ")
        if digest != _UNREAD:
            continue
        try:
            pinned[name] = f"{_md5(storage.read_bytes(path))} {path}"
        except OSError:
            pinned[name] = f"{_UNREADABLE} {path}"
    return pinned


def read_extras(key: str, extras: Mapping[str, ExtraValue]) -> Mapping[str, ExtraValue]:
    """Reads the annotations of one image.

    Args:
        key: Of the image.
        extras: As listed or pinned: `bbox` and `trimap` name files, "" where there is none.

    Returns:
        The extras with the files' content in place of their names, `()` where there is none.

    Raises:
        RecordError: an annotation can't be read, or is not what it should be.
        DatasetError: it is not the one that was pinned.
    """
    completed: dict[str, ExtraValue] = dict(extras)
    for name in _REFERENCES:
        if name in extras:
            completed[name] = ()
        digest, _, path = str(extras.get(name, "")).partition(" ")
        if not path:
            continue
        try:
            data = storage.read_bytes(path)
        except OSError as error:
            if digest not in (_UNREAD, _UNREADABLE):
                raise DatasetError(f"{path}: it was there when it was listed, and is gone now") from None
            raise RecordError(key, "missing", f"{path}: listed, and can't be read: {error.strerror}") from None
        if digest not in (_UNREAD, _md5(data)):
            raise DatasetError(f"{path}: has other bytes than when it was listed: it was changed; run again")
        completed[name] = boxes.parse_head(data, key) if name == "bbox" else data
    return completed


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _list(options: PetsOptions, folders: _Folders, lists: _Lists, *, official: bool) -> Iterator[SourceImage]:
    heads = _references(f"{folders.annotations}/xmls")
    trimaps = _references(f"{folders.annotations}/trimaps") if options.trimaps else {}
    found = {file.name: file for file in tree.walk(folders.images, options.output)}
    for name in sorted(found.keys() | {f"{listed}.jpg" for listed in lists.pets}):
        stem = os.path.splitext(name)[0]
        listed = name == f"{stem}.jpg" and stem in lists.pets
        breed = stem.rpartition("_")[0]
        pet = lists.pets[stem] if listed else lists.breeds.get(breed)
        species = pet.species if pet else ""
        label = species if options.label == "species" else breed
        uri = f"{folders.images}/{name}"
        if name in found and found[name].ignored:
            yield SourceImage(name, uri, "", ignored=found[name].ignored)
            continue
        if not listed and not options.include_unlisted:
            message = "is in no list of the data set; --include_unlisted writes such images"
            yield SourceImage(name, uri, label, rejection="unlisted", message=message)
            continue
        if pet is None:
            message = f"its name starts with no breed of the lists: {breed!r}"
            yield SourceImage(name, uri, label, rejection="unknown_label", message=message)
            continue
        references: dict[str, ExtraValue] = {"species": species}
        references["bbox"] = heads.get(f"{stem}.xml", "")
        if options.trimaps:
            references["trimap"] = trimaps.get(f"{stem}.png", "")
        split = None
        if official:
            split = "test" if stem in lists.test else splits.TRAIN_OR_VALIDATION if listed else "train"
        yield SourceImage(name, uri, label, split, references, listed=found[name].listed if name in found else None)


def _references(folder: str) -> dict[str, str]:
    """Returns name to reference of the files directly in a folder; none where there is no such folder."""
    if not storage.is_folder(folder):
        return {}
    # Here documents, which are no images, are what is looked for.
    walk = (found for found in tree.walk(folder) if found.ignored in ("", names.DOCUMENT))
    files = (found for found in walk if "/" not in found.name)
    return {file.name: f"{(file.listed and file.listed.md5) or _UNREAD} {file.path}" for file in files}


def _check_label(options: PetsOptions) -> None:
    if options.label not in LABELS:
        raise ConfigError("--label", options.label, " or ".join(LABELS))


def _folders(options: PetsOptions) -> _Folders:
    """Finds the images and the annotations, or makes them from the archives."""
    if not options.input:
        images, annotations = archive.download(IMAGES), archive.download(ANNOTATIONS)
        return _Folders(f"{images}/images", f"{annotations}/annotations")
    root = storage.absolute(options.input).rstrip("/")
    if archive.is_archive(root):
        root = os.path.dirname(root)
    if not storage.is_folder(root):
        raise ConfigError("--input", options.input, _EXPECTED, "there is no such folder")
    below = [f"{root}/{name}" for name in tree.list_folders(root)]
    for folder in (root, *below):
        if storage.exists(f"{folder}/annotations/list.txt") and storage.is_folder(f"{folder}/images"):
            return _Folders(f"{folder}/images", f"{folder}/annotations")
    archives = [f"{root}/{part.name}" for part in (IMAGES, ANNOTATIONS)]
    if not all(map(storage.exists, archives)):
        raise ConfigError("--input", options.input, _EXPECTED)
    images, annotations = map(archive.unpack, archives)
    return _Folders(f"{images}/images", f"{annotations}/annotations")


def _read_lists(folders: _Folders) -> _Lists:
    pets, trainval, test = (_read_list(f"{folders.annotations}/{name}") for name in _LIST_NAMES)
    both = sorted(set(trainval) & set(test))
    if both:
        raise ConfigError("--input", folders.annotations, "lists without overlap", f"{both[0]} is in both parts")
    pets = {**pets, **trainval, **test}
    first = {name.rpartition("_")[0]: pet for name, pet in reversed(pets.items())}
    breeds = dict(sorted(first.items(), key=lambda item: (item[1].class_id, item[0])))
    return _Lists(pets, frozenset(test), breeds)


def _read_list(path: str) -> dict[str, _Pet]:
    """Reads lines of image name, class id, species (1 cat, 2 dog) and breed id within the species."""
    try:
        with reading("--input", path, _EXPECTED):
            lines = storage.read_text(path).removeprefix("\ufeff").split("\n")
    except UnicodeDecodeError:
        raise ConfigError("--input", path, "UTF-8 text", "its bytes are none") from None
    pets: dict[str, _Pet] = {}
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells or line.startswith("#"):
            continue
        numbers = [int(cell) for cell in cells[1:] if is_digits(cell)]
        if len(cells) != _LIST_COLUMNS or len(numbers) != _LIST_COLUMNS - 1 or not 1 <= numbers[1] <= len(SPECIES):
            expected = "image name, class id, species (1 or 2) and breed id"
            raise ConfigError("--input", path, expected, f"line {number} is {line!r}")
        pets[cells[0]] = _Pet(numbers[0], SPECIES[numbers[1] - 1])
    return pets
