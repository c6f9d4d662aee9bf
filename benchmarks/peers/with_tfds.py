"""TFDS: what our ETL wrote, read by `tfds.builder_from_directory`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.peer import (
    BATCH_SIZE,
    CROP_AREA,
    CROP_RATIO,
    PIXELS,
    SEED,
    SHUFFLE_BUFFER,
    SIDE,
    Corpus,
    Epochs,
    Peer,
)

if TYPE_CHECKING:
    import tensorflow as tf


class Tfds(Peer):
    """`as_dataset`, without its decoding of JPEG: the window alone is decoded, as its guide shows."""

    name = "TensorFlow Datasets"
    packages = ("tensorflow-datasets", "tensorflow")
    modules = ("tensorflow_datasets",)
    reads_ours = True

    def prepare(self, deliverable: str, corpus: Corpus, folder: Path) -> Path:
        """Returns the variant's folder, which has the files that TFDS looks for."""
        data_dir, variant = corpus.ours(deliverable)
        return Path(data_dir) / variant

    def open(self, deliverable: str, corpus: Corpus, source: Path, num_workers: int) -> Epochs:
        """Makes the data set."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        is_jpeg = deliverable != PIXELS
        examples = tfds.builder_from_directory(str(source)).as_dataset(
            split="train",
            shuffle_files=True,
            decoders=tfds.decode.PartialDecoding({"image": True, "label_int": True}, _decoders(is_jpeg)),
            read_config=tfds.ReadConfig(shuffle_seed=SEED, try_autocache=False),
        )
        # Behind `shuffle` as long as images are bytes.
        shuffled = examples.shuffle(SHUFFLE_BUFFER, SEED)
        pairs = shuffled.map(_crop if is_jpeg else _pair, num_parallel_calls=tf.data.AUTOTUNE)
        batches = pairs.batch(BATCH_SIZE, num_parallel_calls=tf.data.AUTOTUNE).repeat().prefetch(tf.data.AUTOTUNE)
        return self.go_on(batches, corpus.num_images[deliverable])


def _decoders(is_jpeg: bool) -> dict[str, object] | None:
    import tensorflow_datasets as tfds

    return {"image": tfds.decode.SkipDecoding()} if is_jpeg else None


def _pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    return example["image"], example["label_int"]


def _crop(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    import tensorflow as tf

    data = example["image"]
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(data),
        tf.zeros((1, 0, 4)),
        min_object_covered=0.0,
        aspect_ratio_range=CROP_RATIO,
        area_range=CROP_AREA,
        use_image_if_no_bounding_boxes=True,
    )
    window = tf.concat([begin[:2], size[:2]], 0)
    pixels = tf.io.decode_and_crop_jpeg(data, window, channels=3)
    scaled = tf.image.resize(pixels, (SIDE, SIDE))
    return tf.cast(scaled + 0.5, tf.uint8), example["label_int"]
