"""The exported model: images in, classes or colours out, nothing else needed but TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from etl.images.graph import decoding
from trainer.serving.signatures import (
    DESCRIPTION_NAME,
    EXTRA_DIR,
    INPUTS,
    SERVING_FORMATS,
    SERVING_INPUTS,
    SIGNATURE,
    load_formats,
)
from trainer.training.objective import make_objective

if TYPE_CHECKING:
    import keras

    from trainer.data import Data


_ServeBatch = Callable[["tf.Tensor"], "dict[str, tf.Tensor]"]


def export_model(
    model: keras.Model,
    data: Data,
    folder: Path,
    facts: Mapping[str, Any],
    *,
    serving_input: str = "image_bytes",
    serving_formats: str = "standard",
) -> None:
    """Writes a SavedModel that decodes, resizes and predicts, without the optimizer.

    Its signatures take one batch each: `from_bytes` takes `image_bytes`, string (B,), whole image files;
    `from_filenames` takes `filenames`, string (B,), local paths or those of an object store, and reads them itself;
    `from_pixels` takes `pixels`, uint8 (B, height, width, 3), in the model's own size. `serving_default` is one of
    them.

    A model of classes returns `probability`, float32 (B,), of the likeliest class; `class_int`, int64 (B,), that
    class's number; `class_str`, string (B,), its name; `probabilities`, float32 (B, C). One of colours returns
    `pixels`, uint8 (B, height, width, 3), and `image_png`, string (B,), the same as PNG files.

    A file that is missing or no image, or one that would be decoded otherwise than the training images were, fails the
    whole batch with an error that names why. `served_model` answers about such all the same, where it can.

    Args:
        model: From uint8 (B, height, width, 3) to probabilities (B, C), or from grey (B, height, width, 1) to colours
            (B, height, width, 3), both in [-1, 1].
        data: What it was trained on: image size, way of resizing and class names are fixed in the graph.
        folder: Where to write; must not exist.
        facts: More for the description that lies in the SavedModel, as JSON's types.
        serving_input: One of `SERVING_INPUTS`.
        serving_formats: One of `SERVING_FORMATS`.

    Raises:
        ConfigError: `extra` was asked for where tensorflow-io isn't there or doesn't load.
        ValueError: `serving_input` or `serving_formats` is none of its choices.
    """
    if serving_input not in SERVING_INPUTS:
        raise ValueError(f"serving_input: got {serving_input!r}, expected one of {', '.join(SERVING_INPUTS)}")
    if serving_formats not in SERVING_FORMATS:
        raise ValueError(f"serving_formats: got {serving_formats!r}, expected one of {', '.join(SERVING_FORMATS)}")
    # Of the Keras model only its weights: saved whole, it would bring the optimizer's variables along.
    module = tf.Module()
    module.weights = [variable.value for variable in model.weights]
    module.functions = make_signatures(model, data, load_formats(serving_formats))
    default = next(name for name, taken in INPUTS.items() if taken == serving_input)
    signatures = {**module.functions, SIGNATURE: module.functions[default]}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    description = {
        "class_names": list(data.class_names),
        "image_size": list(data.image_size),
        "resize": data.resize,
        "stored": data.stored,
        "gives": data.gives,
        "serving_input": serving_input,
        "serving_formats": serving_formats,
        "dataset": data.dataset,
        "variant": data.variant,
        "fingerprint": data.fingerprint,
        **facts,
    }
    extra_dir = folder / EXTRA_DIR
    extra_dir.mkdir()
    (extra_dir / DESCRIPTION_NAME).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file of the architecture and the weights, without the optimizer.

    Args:
        model: Any of `trainer.models`, compiled or not; it stays as it is.
        path: Where to write; ends in `.keras`.
    """
    # Keras saves the optimizer of whatever has one, and `clone_model` clones it: a model of the same configuration has
    # none.
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    bare.save(path)


def make_signatures(model: keras.Model, data: Data, extra: Any = None) -> dict[str, Any]:
    """Returns the `tf.function` of each signature of `INPUTS`; `extra` is what `load_formats` gave."""
    images = tf.TensorSpec([None, *data.image_size, 3], tf.uint8, name=INPUTS["from_pixels"])
    texts = {name: tf.TensorSpec([None], tf.string, name=taken) for name, taken in INPUTS.items()}
    make_answer = {"classes": _make_classifier, "colours": _make_colorizer}[data.gives]
    # A function of its own, so that the network is in the file once and not three times. Never under XLA, which
    # resizes to other bits.
    answer = tf.function(make_answer(model, data), input_signature=[images], jit_compile=False, autograph=False)

    def after_preparing(prepare: Callable[[tf.Tensor], tf.Tensor], taken: tf.TensorSpec) -> Any:
        return tf.function(
            lambda batch: answer(prepare(batch)), input_signature=[taken], jit_compile=False, autograph=False
        )

    return {
        "from_bytes": after_preparing(make_decoder(data, extra=extra), texts["from_bytes"]),
        "from_filenames": after_preparing(make_decoder(data, from_files=True, extra=extra), texts["from_filenames"]),
        "from_pixels": after_preparing(tf.identity, images),
    }


def make_decoder(data: Data, *, from_files: bool = False, extra: Any = None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from image files, string (B,), to uint8 (B, height, width, 3) as validation saw them.

    Args:
        data: What says how.
        from_files: Whether it takes paths, not bytes.
        extra: What `load_formats` gave.
    """
    height, width = data.image_size
    bring_to_size = make_resizer((height, width), data.resize, data.stored)

    def load(item: tf.Tensor) -> tf.Tensor:
        return bring_to_size(decoding.decode_rgb(tf.io.read_file(item) if from_files else item, extra=extra))

    def decode(batch: tf.Tensor) -> tf.Tensor:
        with tf.device("/CPU:0"):
            # Image by image, read and all: no more than a few whole files are in memory at once.
            return tf.map_fn(load, batch, fn_output_signature=tf.TensorSpec((height, width, 3), tf.uint8))

    return decode


def make_resizer(
    size: tuple[int, int], resize: str, stored: tuple[int, int, str] | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from an image, uint8 (H, W, 3), to the model's size: the same in the graph and beside it.

    Images that were resized when the data set was written, and once more when it was read, are resized twice here too.

    Args:
        size: (height, width) that the model takes.
        resize: `pad`, `crop` or `stretch`.
        stored: (height, width, resize) of images that were resized when the data set was written, else None.
    """
    first = stored or (*size, resize)

    def bring_to_size(image: tf.Tensor) -> tf.Tensor:
        image = decoding.resize_image(image, *first)
        return image if first[:2] == size else decoding.resize_image(image, *size, resize)

    return bring_to_size


def _make_classifier(model: keras.Model, data: Data) -> _ServeBatch:
    class_names = tf.constant(data.class_names)

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.cast(model(images, training=False), tf.float32)
        class_int = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
        return {
            "probability": tf.reduce_max(probabilities, axis=-1),
            "class_int": class_int,
            "class_str": tf.gather(class_names, class_int),
            "probabilities": probabilities,
        }

    return classify


def _make_colorizer(model: keras.Model, data: Data) -> _ServeBatch:
    prepare = make_objective(data.gives).prepare

    def colour(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # The grey of training, by the same function.
        grey, _ = prepare(images, tf.zeros([0], tf.int32))
        pixels = to_pixels(tf.cast(model(grey, training=False), tf.float32))
        with tf.device("/CPU:0"):
            return {"pixels": pixels, "image_png": tf.io.encode_png(pixels)}

    return colour


def to_pixels(colours: tf.Tensor) -> tf.Tensor:
    """Turns colours, floats in [-1, 1], into the nearest uint8 pixels; what lies outside is clipped."""
    return tf.cast(tf.round(tf.clip_by_value((colours + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)
