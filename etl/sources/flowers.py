"""The TensorFlow flowers: 3,670 images in `flower_photos/<class>/`, five classes.

`--input` takes that folder, the folder above it, a pattern, or the archive `flower_photos.tgz`; without it the archive
is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from etl import storage
from etl.format.features import FeatureSpec
from etl.records import SourceImage
from etl.sources import folder
from etl.sources.files import archive
from etl.sources.options import Origin, SourceOptions

# Size and SHA-256 as TensorFlow Datasets publishes them for tf_flowers.
ARCHIVE = archive.Archive(
    url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    num_bytes=228_813_984,
    sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
)

ORIGIN = Origin(
    url="https://www.tensorflow.org/datasets/catalog/tf_flowers",
    license="https://creativecommons.org/licenses/by/2.0/",
    citation="The TensorFlow Team: Flowers, 2019, https://download.tensorflow.org/example_images/flower_photos.tgz",
)


def extras(options: SourceOptions) -> Mapping[str, FeatureSpec]:
    """Returns no features: the flowers add none to the common ones."""
    return folder.extras(options)


def class_names(options: SourceOptions) -> tuple[str, ...]:
    """Returns the class names: given ones, or the names of the class folders, sorted.

    Raises:
        ConfigError: `--input` or what gives the class names is not as it should be.
        DownloadError: `--input` is left out and the archive can't be had.
    """
    return folder.class_names(_in_folder(options))


def list_images(options: SourceOptions) -> Iterator[SourceImage]:
    """Lists the images, as `folder.list_images` does; raises what `class_names` does."""
    return folder.list_images(_in_folder(options))


def notes(options: SourceOptions) -> list[str]:
    """Returns what the operator should know of the class folders."""
    return folder.notes(_in_folder(options))


def _in_folder(options: SourceOptions) -> SourceOptions:
    """Returns the options with `input` naming the folder of the class folders."""
    path = archive.unpacked(options.input, ARCHIVE)
    if not storage.is_pattern(path) and storage.is_folder(f"{path}/flower_photos"):
        path = f"{path}/flower_photos"
    return replace(options, input=path)
