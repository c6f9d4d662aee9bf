"""Files by path through TensorFlow, which reads local disks and object stores alike."""

from __future__ import annotations


def read_text(path: str) -> str:
    """Reads a whole file as UTF-8.

    Raises:
        FileNotFoundError: there is none.
    """
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(path) as file:
            return str(file.read())
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(path) from error
