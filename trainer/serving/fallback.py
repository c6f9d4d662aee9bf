"""Files that an exported graph refuses by name: decoded as the ETL decodes them, and given to the model as pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from etl.errors import RecordError
from etl.images import normalise
from etl.images.graph.decoding import RESIZES
from etl.images.header import REFUSAL
from trainer.serving.export import make_resizer

# From images of the model's size to its values by output name, one of each an image.
Answer = Callable[[Sequence[Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fallback:
    """Answers in place of a signature that takes files.

    Attributes:
        pixels: The same model's signature that takes pixels.
        bring_to_size: From a whole image, uint8 (H, W, 3), to the size that this takes.
        from_files: Whether images are named, and not given.
    """

    pixels: Answer
    bring_to_size: Callable[[tf.Tensor], tf.Tensor]
    from_files: bool

    def answer(self, image: Any, why: str) -> Mapping[str, Any] | str:
        """Answers about one image.

        Args:
            image: What should be a whole file, or the path of one: what the graph was given.
            why: What the graph had to say against it.

        Returns:
            The model's values by output name, or why there are none, in one line.
        """
        if REFUSAL not in why:
            return why
        try:
            with tf.device("/CPU:0"):
                data = tf.io.read_file(image).numpy() if self.from_files else image
                pixels = self.bring_to_size(tf.constant(normalise.decode_rgb(data)))
        except RecordError as error:
            return f"{error.reason}: {error.message}"
        except tf.errors.OpError:  # the file has gone meanwhile
            return why
        return {name: values[0] for name, values in self.pixels([pixels.numpy()]).items()}


def make_fallback(
    pixels: Answer, shape: tf.TensorShape, description: Mapping[str, Any], *, from_files: bool
) -> Fallback | None:
    """Makes what answers in place of a signature that takes files.

    Args:
        pixels: The same model's signature that takes pixels.
        shape: Of a batch of them.
        description: What the SavedModel says of itself.
        from_files: Whether the other takes paths, not bytes.

    Returns:
        None where the model doesn't say how training brought images to its size: those of earlier releases don't.
    """
    if shape.rank != 4 or shape[3] != 3:
        return None
    wanted = _read_resizing([shape[1], shape[2], description.get("resize")])
    stored = description.get("stored", "")
    first = None if stored is None else _read_resizing(stored)
    if wanted is None or (stored is not None and first is None):
        return None
    height, width, resize = wanted
    return Fallback(pixels, make_resizer((height, width), resize, first), from_files)


def _read_resizing(value: Any) -> tuple[int, int, str] | None:
    """Reads a height, a width and a way of resizing; None where the description holds something else."""
    match value:
        case [int(height), int(width), str(resize)] if min(height, width) > 0 and resize in RESIZES:
            return height, width, resize
    return None
