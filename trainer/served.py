"""An exported model, loaded: whole image files in, answers out, one bad file never touching the others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from etl.cli import load_tensorflow
from etl.errors import ConfigError, one_line
from trainer.export import CLASS_OUTPUTS, COLOUR_OUTPUTS, DESCRIPTION, INPUTS, SIGNATURE, load_formats
from trainer.files import is_remote, read_text
from trainer.output import find_model

# What is of use to a person in TensorFlow's messages: the words of an `Assert`, else the line before the node's name.
_ASSERTION = re.compile(r"assertion failed: \[(.+?)\]$", re.MULTILINE)
_DETAIL = re.compile(r"^(?:\{\{function_node \S+\}\} )?(.+)\n\s*\[\[\{\{", re.MULTILINE)

_INPUT = INPUTS["from_bytes"]
_OUTPUTS: Mapping[str, Sequence[str]] = {"classes": CLASS_OUTPUTS, "colours": COLOUR_OUTPUTS}


class Serve:
    """A loaded model.

    Args:
        model: What `tf.saved_model.load` gave.
        signature: Of its signatures the one that takes `image_bytes`.
        gives: `classes` or `colours`.
    """

    def __init__(self, model: Any, signature: Any, gives: str) -> None:
        # Kept for its variables: TensorFlow drops them with the model, and the signature alone doesn't hold it.
        self._model = model
        self._signature = signature
        self.gives = gives

    def __call__(self, images: Sequence[bytes]) -> Mapping[str, Any]:
        """Asks about a batch.

        Args:
            images: Whole files.

        Returns:
            NumPy arrays by output name, one value an image; see `trainer.export.export_model`.

        Raises:
            tf.errors.OpError: any of them can't be decoded.
        """
        import tensorflow as tf

        outputs = self._signature(**{_INPUT: tf.constant(list(images), tf.string)})
        return {name: outputs[name].numpy() for name in _OUTPUTS[self.gives]}

    def ask(self, images: Sequence[bytes]) -> list[Mapping[str, Any] | str]:
        """Asks about a batch of which any may be bad; may be called from several threads at once.

        Args:
            images: What should be whole files.

        Returns:
            For each image the values by output name, or why there are none, in one line.
        """
        import tensorflow as tf

        if not images:
            return []
        try:
            outputs = self(images)
        except tf.errors.OpError as error:
            if len(images) == 1:
                return [explain(error.message)]
            # The graph doesn't say which one it was.
            middle = len(images) // 2
            return self.ask(images[:middle]) + self.ask(images[middle:])
        return [{name: values[index] for name, values in outputs.items()} for index in range(len(images))]


def load(model_dir: str) -> Serve:
    """Loads an exported model.

    Args:
        model_dir: A SavedModel, or a folder in which `trainer.task` left one; local or on an object store.

    Raises:
        ConfigError: there is no SavedModel, it can't be read, takes something else or returns something else; or it
            needs tensorflow-io, which isn't there.
    """
    if not is_remote(model_dir):
        # Before TensorFlow is loaded, which takes seconds.
        find_model(model_dir)
    load_tensorflow()
    import tensorflow as tf

    folder = find_model(model_dir)

    expected = f"a SavedModel with a signature that takes {_INPUT}"
    try:
        # Before the model: TensorFlow reads no graph with operations that it doesn't know.
        load_formats(_serving_formats(folder), "MODEL_DIR")
        model = tf.saved_model.load(folder)
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise ConfigError("MODEL_DIR", model_dir, expected, one_line(error)[:200]) from error
    for name in ("from_bytes", SIGNATURE):
        signature = model.signatures.get(name)
        if signature is not None and _INPUT in signature.structured_input_signature[1]:
            break
    else:
        raise ConfigError("MODEL_DIR", model_dir, expected)
    for gives, names in _OUTPUTS.items():
        if set(names) <= set(signature.structured_outputs):
            return Serve(model, signature, gives)
    choices = " or ".join(", ".join(names) for names in _OUTPUTS.values())
    raise ConfigError("MODEL_DIR", model_dir, f"one that returns {choices}")


def _serving_formats(folder: str) -> str:
    """Returns which files a SavedModel takes, by its description; `standard` where it has none."""
    try:
        content = read_text(f"{folder}/{DESCRIPTION}")
    except FileNotFoundError:
        return "standard"
    return str(json.loads(content).get("serving_formats", "standard"))


def explain(message: str) -> str:
    """Takes from TensorFlow's message what is wrong with a file, without node names and stacks of functions."""
    found = _ASSERTION.search(message)
    if found:
        return one_line(found[1])
    found = _DETAIL.search(message)
    return f"can't be decoded: {one_line(found[1] if found else message)}"
