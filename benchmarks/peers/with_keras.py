"""Keras' `image_dataset_from_directory`: a folder of files, decoded whole and resized by tf.data."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.harness.datasets import STORED_SIDE
from benchmarks.peers.peer import (
    BATCH_SIZE,
    CROP_AREA,
    CROP_RATIO,
    PIXELS,
    SEED,
    SIDE,
    Corpus,
    Epochs,
    Peer,
)

if TYPE_CHECKING:
    import tensorflow as tf


class Keras(Peer):
    """Whole photographs resized to 256x256, of which a map of whole batches cuts random windows."""

    name = "Keras image_dataset_from_directory"
    packages = ("keras", "tensorflow")
    modules = ("keras",)
    missing = MappingProxyType({PIXELS: "it reads image files only"})

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Returns the corpus's own files."""
        return corpus.photographs(deliverable)

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes the data set and its map."""
        import keras
        import tensorflow as tf

        images = keras.utils.image_dataset_from_directory(
            str(source), image_size=(STORED_SIDE, STORED_SIDE), batch_size=BATCH_SIZE, seed=SEED, verbose=False
        )
        crops = images.repeat().map(_crop, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
        return self.go_on(crops, corpus.num_images[deliverable])


def _crop(images: tf.Tensor, labels: Any) -> tuple[tf.Tensor, Any]:
    """Cuts a random window out of each of float32 (B, 256, 256, 3) and scales it to uint8 (224, 224, 3)."""
    import tensorflow as tf

    number = tf.shape(images)[0]
    area = tf.random.uniform([number], *CROP_AREA)
    ratio = tf.exp(tf.random.uniform([number], *(tf.math.log(bound) for bound in CROP_RATIO)))
    height, width = (tf.minimum(tf.sqrt(share), 1.0) for share in (area / ratio, area * ratio))
    top, left = (tf.random.uniform([number]) * (1 - side) for side in (height, width))
    boxes = tf.stack([top, left, top + height, left + width], 1)
    crops = tf.image.crop_and_resize(images, boxes, tf.range(number), (SIDE, SIDE))
    return tf.cast(crops + 0.5, tf.uint8), labels
