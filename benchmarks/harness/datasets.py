"""The data sets that are read: written by our own ETL, each when it is first asked for."""

from __future__ import annotations

import functools
import io
from pathlib import Path

from benchmarks.corpus import link_photographs
from benchmarks.harness.shards import repeat_shards
from etl import run
from etl.format import manifest
from etl.format.layout import SHARD_SUFFIX
from etl.format.schema import COMMON_FEATURES, EMBEDDING_IMAGE_SIZE, feature_spec

# Sides of the chapter's images and of what it trains on, in pixels.
CHAPTER_SIDE = 448
MODEL_SIDE = 224
# The shorter side at which JPEGs are stored where their full size is never wanted.
STORED_SIDE = 256
STORED_QUALITY = 90
EMBEDDING_ALPHA = 0.35
# Several shards even of a small data set, so that reading them by turns is part of what is measured.
SHARD_MB = 20
# Examples of an epoch, so long that what happens once an epoch doesn't count.
LONG_IMAGES = 6_000
LONG_EMBEDDINGS = 60_000
LONG_PHOTOGRAPHS = 2_000
_NUM_CHAPTER_FILES = 2
# What GZIP leaves of a photograph's float32 pixels, roughly; the first guess at the size of two files.
_GZIP_BYTES_PER_PIXEL = 4


class Datasets:
    """Data sets under one folder.

    Args:
        folder: A new folder for them.
        photographs: One directory a class, for what the chapter measured.
        larger: For the rates: photographs of usual size in the same layout.
        num_photographs: Of the chapter's data set.
        num_images: Of the others.
        weights: A file of MobileNetV2's weights at `EMBEDDING_ALPHA`, without its top.
    """

    def __init__(
        self, folder: Path, photographs: Path, larger: Path, num_photographs: int, num_images: int, weights: Path
    ) -> None:
        self._folder = folder
        self._photographs, self._larger = photographs, larger
        self._num_photographs, self._num_images = num_photographs, num_images
        self.weights = weights

    @functools.cached_property
    def chapter(self) -> Path:
        """float32 in [0, 1], flattened, at the original size, in two GZIP files: the chapter's own."""
        output = self._folder / "chapter"
        target = self._count_pixels(self._chapter_photographs) * _GZIP_BYTES_PER_PIXEL / _NUM_CHAPTER_FILES
        for _ in range(3):
            arguments = ["--variants", "pixel", "--pixel_dtype", "float32", "--compression", "gzip"]
            self._write(self._chapter_photographs, output, *arguments, shard_mb=target / 1e6)
            split = manifest.load(output).variants["pixel"].splits["train"]
            if len(split.shards) == _NUM_CHAPTER_FILES:
                return output
            target = split.num_bytes / _NUM_CHAPTER_FILES
        raise RuntimeError(f"the chapter's data set came out as {len(split.shards)} files")

    @functools.cached_property
    def same_photographs(self) -> Path:
        """The chapter's photographs as JPEG and as 224x224 uint8 pixels."""
        arguments = ["--variants", "jpeg,pixel", "--image_size", str(MODEL_SIDE)]
        return self._write(self._chapter_photographs, self._folder / "same", *arguments)

    @functools.cached_property
    def same_photographs_448(self) -> Path:
        """The chapter's photographs as 448x448 uint8 pixels."""
        arguments = ["--variants", "pixel", "--image_size", str(CHAPTER_SIDE)]
        return self._write(self._chapter_photographs, self._folder / "same_448", *arguments)

    @functools.cached_property
    def images(self) -> Path:
        """JPEG as it was, and 224x224 uint8 pixels."""
        arguments = ["--variants", "jpeg,pixel", "--image_size", str(MODEL_SIDE)]
        return self._write(self._linked(), self._folder / "images", *arguments)

    @functools.cached_property
    def embeddings(self) -> Path:
        """MobileNetV2's features of the same images."""
        weights = ["--embedding_weights", str(self.weights), "--embedding_alpha", str(EMBEDDING_ALPHA)]
        return self._write(self._linked(), self._folder / "embeddings", "--variants", "embedding", *weights)

    @functools.cached_property
    def long_images(self) -> Path:
        """`images`, repeated."""
        return repeat_shards(self.images, self._folder / "long_images", LONG_IMAGES)

    @functools.cached_property
    def long_embeddings(self) -> Path:
        """`embeddings`, repeated."""
        return repeat_shards(self.embeddings, self._folder / "long_embeddings", LONG_EMBEDDINGS)

    @functools.cached_property
    def long_same_photographs(self) -> Path:
        """`same_photographs`, repeated."""
        return repeat_shards(self.same_photographs, self._folder / "long_same", LONG_PHOTOGRAPHS)

    @functools.cached_property
    def long_same_photographs_448(self) -> Path:
        """`same_photographs_448`, repeated."""
        return repeat_shards(self.same_photographs_448, self._folder / "long_same_448", LONG_PHOTOGRAPHS)

    @functools.cached_property
    def small_jpegs(self) -> Path:
        """The JPEGs of `images`, resized to a shorter side of 256 and encoded again."""
        folder = self._folder / "small_photographs"
        resize_jpegs(self.images / "jpeg", folder)
        return self._write(folder, self._folder / "small", "--variants", "jpeg")

    @functools.cached_property
    def long_small_jpegs(self) -> Path:
        """`small_jpegs`, repeated."""
        return repeat_shards(self.small_jpegs, self._folder / "long_small", LONG_IMAGES)

    @functools.cached_property
    def _chapter_photographs(self) -> Path:
        """Photographs of all classes, evenly taken."""
        files = sorted(path for path in self._photographs.glob("*/*") if path.suffix == ".jpg")
        chosen = self._folder / "chosen"
        for index in range(min(self._num_photographs, len(files))):
            path = files[index * len(files) // self._num_photographs]
            link = chosen / path.parent.name / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
        return link_photographs(chosen, self._folder / "chapter_photographs", self._num_photographs)

    def _linked(self) -> Path:
        folder = self._folder / "photographs"
        return folder if folder.exists() else link_photographs(self._larger, folder, self._num_images)

    @staticmethod
    def _count_pixels(folder: Path) -> int:
        from PIL import Image, UnidentifiedImageError

        number = 0
        for path in folder.glob("*/*"):
            try:
                with Image.open(path) as image:
                    number += image.width * image.height
            except UnidentifiedImageError:
                # Some of the drawn photographs are broken on purpose; the ETL rejects them.
                continue
        return number

    @staticmethod
    def _write(photographs: Path, output: Path, *arguments: str, shard_mb: float = SHARD_MB) -> Path:
        where = ["--source", "folder", "--input", str(photographs), "--output", str(output), "--overwrite"]
        how = ["--splits", "train=1", "--shard_mb", str(shard_mb)]
        if run.main([*where, *how, *arguments]) != 0:
            raise RuntimeError(f"the ETL failed to write {output.name}")
        return output


def resize_jpegs(source: Path, target: Path) -> None:
    """Writes the JPEGs of a variant as files, one directory a class, with a shorter side of at most `STORED_SIDE`.

    Args:
        source: The variant's folder.
        target: The new folder.
    """
    import tensorflow as tf
    from PIL import Image

    spec = feature_spec({name: COMMON_FEATURES[name] for name in ("key", "label")})
    spec["image"] = tf.io.FixedLenFeature([], tf.string)
    records = tf.data.TFRecordDataset(sorted(map(str, source.glob(f"*{SHARD_SUFFIX}"))))
    for number, record in enumerate(records.as_numpy_iterator()):
        parsed = tf.io.parse_single_example(record, spec)
        path = target / parsed["label"].numpy().decode() / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = parsed["image"].numpy()
        with Image.open(io.BytesIO(data)) as image:
            shorter = min(image.size)
            if shorter <= STORED_SIDE:
                path.write_bytes(data)
                continue
            size = tuple(round(side * STORED_SIDE / shorter) for side in image.size)
            image.resize((size[0], size[1]), Image.Resampling.LANCZOS).save(path, quality=STORED_QUALITY)


def draw_weights(path: Path) -> Path:
    """Writes random weights for MobileNetV2 at `EMBEDDING_ALPHA`, for timing without any download."""
    import keras

    shape = (*EMBEDDING_IMAGE_SIZE, 3)
    network = keras.applications.MobileNetV2(input_shape=shape, alpha=EMBEDDING_ALPHA, include_top=False, weights=None)
    network.save_weights(path)
    return path
