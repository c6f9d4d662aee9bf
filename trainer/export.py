"""The exported model: photographs as files in, classes out, nothing else needed but TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from trainer.data import Data

SIGNATURE = "serving_default"
# The suffix makes REST servers and their clients agree on base64.
INPUT_NAME = "image_bytes"
OUTPUT_NAMES = ("class_int", "class_str", "probability")

# SavedModel's own place for files that TensorFlow doesn't read, and ours in it.
_EXTRA_DIR = "assets.extra"
_DESCRIPTION_NAME = "petalstream.json"


def export_model(model: keras.Model, data: Data, folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes a SavedModel that decodes, resizes and classifies, without the optimizer.

    Its `serving_default` takes `image_bytes`, string (B,), whole image files. It returns `probability`, float32 (B,),
    of the likeliest class; `class_int`, int64 (B,), that class's number; `class_str`, string (B,), its name. A file
    that is no image, or one that would be decoded otherwise than the training images were, fails the whole batch with
    an `InvalidArgumentError` that names why.

    Args:
        model: From uint8 (B, height, width, 3) to probabilities (B, C).
        data: What it was trained on: image size, way of resizing and class names are fixed in the graph.
        folder: Where to write; must not exist.
        facts: More for the description that lies in the SavedModel, as JSON's types.
    """
    import tensorflow as tf

    # Of the Keras model only its weights: saved whole, it would bring the optimizer's variables along.
    module = tf.Module()
    module.weights = [variable.value for variable in model.weights]
    module.serve = make_serving_function(model, data)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve})
    description = {
        "class_names": list(data.class_names),
        "image_size": list(data.image_size),
        "resize": data.resize,
        "dataset": data.dataset,
        "variant": data.variant,
        "fingerprint": data.fingerprint,
        **facts,
    }
    extra_dir = folder / _EXTRA_DIR
    extra_dir.mkdir()
    (extra_dir / _DESCRIPTION_NAME).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def make_serving_function(model: keras.Model, data: Data) -> Any:
    """Returns the `tf.function` behind `serving_default`: from string (B,) to the three outputs by name."""
    import tensorflow as tf

    decode = make_decoder(data)
    class_names = tf.constant(data.class_names)

    # Never under XLA, which resizes to other bits.
    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name=INPUT_NAME)], jit_compile=False, autograph=False
    )
    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images = decode(image_bytes)
        probabilities = tf.cast(model(images, training=False), tf.float32)
        class_int = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
        return {
            "probability": tf.reduce_max(probabilities, axis=-1),
            "class_int": class_int,
            "class_str": tf.gather(class_names, class_int),
        }

    return serve


def make_decoder(data: Data) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from image files, string (B,), to uint8 (B, height, width, 3) as validation saw them.

    Images that were resized when the data set was written, and once more when it was read, are resized twice here too.
    """
    import tensorflow as tf

    from etl.images import graph

    height, width = data.image_size
    first = data.stored or (height, width, data.resize)

    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        images = graph.decode_resized_batch(image_bytes, *first)
        if first[:2] == data.image_size:
            return images
        return tf.map_fn(lambda image: graph.resize_image(image, height, width, data.resize), images)

    return decode
