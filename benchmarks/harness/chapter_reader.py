"""The chapter's own reader, as a baseline: variable-length floats, reshaped, resized with padding, one image at a time.

It runs as anyone would run it today, with all that TensorFlow itself does to a pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_NUM_HALVES = 2
_PREFETCH = 1


def read_plain(files: list[str], side: int) -> tf.data.Dataset:
    """Reads file after file, in one thread.

    Args:
        files: GZIP TFRecord files with `image`, a float list in [0, 1], `shape` and `label_int`.
        side: Height and width of the images wanted, in pixels.

    Returns:
        (float32 (side, side, 3), int64 scalar), one by one.
    """
    return _read(files, side, None)


def read_in_parallel(files: list[str], side: int) -> tf.data.Dataset:
    """Reads two halves of the files by turns, each in parallel maps; returns what `read_plain` does."""
    import tensorflow as tf

    halves = [files[number::_NUM_HALVES] for number in range(_NUM_HALVES)]
    width = max(map(len, halves))
    padded = tf.constant([half + [""] * (width - len(half)) for half in halves])

    def read_half(half: tf.Tensor) -> tf.data.Dataset:
        return _read(tf.boolean_mask(half, half != ""), side, tf.data.AUTOTUNE)

    return tf.data.Dataset.from_tensor_slices(padded).interleave(read_half, num_parallel_calls=tf.data.AUTOTUNE)


def read_best(files: list[str], side: int, batch_size: int) -> tf.data.Dataset:
    """Adds the chapter's last steps: a cache in memory, batches, prefetching."""
    return read_in_parallel(files, side).cache().batch(batch_size).prefetch(_PREFETCH)


def _read(files: list[str] | tf.Tensor, side: int, parallelism: int | None) -> tf.data.Dataset:
    import tensorflow as tf

    features = {
        "image": tf.io.VarLenFeature(tf.float32),
        "shape": tf.io.VarLenFeature(tf.int64),
        "label": tf.io.FixedLenFeature([], tf.string, ""),
        "label_int": tf.io.FixedLenFeature([], tf.int64, 0),
    }

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, features)
        shape = tf.sparse.to_dense(parsed["shape"])
        return tf.reshape(tf.sparse.to_dense(parsed["image"]), shape), parsed["label_int"]

    def resize(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.ensure_shape(image, (None, None, 3))
        return tf.image.resize_with_pad(image, side, side), label

    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.map(parse, num_parallel_calls=parallelism).map(resize, num_parallel_calls=parallelism)
