"""An exported model, loaded: whole image files in, answers out, one bad file never touching the others.

What its graph refuses by name is decoded here, as the ETL decodes it, where the model takes pixels too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.cli import load_tensorflow, say_loading
from etl.errors import ConfigError, one_line
from etl.format.parsing import parse_json
from etl.images.messages import explain
from trainer.files import is_remote, literal_path, read_bytes, read_text
from trainer.layout import SAVED_MODEL_FILE, find_model
from trainer.models.releases import release
from trainer.serving.signatures import CLASS_OUTPUTS, COLOUR_OUTPUTS, DESCRIPTION, INPUTS, SIGNATURE, load_formats

if TYPE_CHECKING:
    from trainer.serving.fallback import Fallback

_OUTPUTS: Mapping[str, Sequence[str]] = {"classes": CLASS_OUTPUTS, "colours": COLOUR_OUTPUTS}


class ServedModel:
    """One signature of a loaded model.

    Args:
        model: What `tf.saved_model.load` gave.
        signature: One of its signatures.
        takes: The name of its only input: `image_bytes`, `filenames` or `pixels`.
        gives: `classes` or `colours`.
        class_names: In the order of class numbers; empty where they aren't known.
    """

    def __init__(self, model: Any, signature: Any, takes: str, gives: str, class_names: Sequence[str] = ()) -> None:
        # Kept for its variables: TensorFlow drops them with the model, and the signature alone doesn't hold it.
        self._model = model
        self._signature = signature
        self.takes = takes
        self.gives = gives
        self.class_names = class_names
        # Answers about files that the graph refuses by name; None where they stay refused.
        self.fallback: Fallback | None = None

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Input name to `tf.TensorSpec`."""
        specs: Mapping[str, Any] = self._signature.structured_input_signature[1]
        return specs

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Output name to `tf.TensorSpec`."""
        specs: Mapping[str, Any] = self._signature.structured_outputs
        return specs

    def __call__(self, items: Sequence[Any]) -> Mapping[str, Any]:
        """Asks about a batch.

        Args:
            items: Whole files, their paths as bytes or text, or pixels as uint8 (height, width, 3): what it takes.

        Returns:
            NumPy arrays by output name, one value an image; see `trainer.serving.export.export_model`.

        Raises:
            tf.errors.OpError: any of them can't be decoded.
        """
        import tensorflow as tf

        batch = tf.constant(np.stack(items) if self.takes == "pixels" else list(items), self.inputs[self.takes].dtype)
        outputs = self._signature(**{self.takes: batch})
        return {name: outputs[name].numpy() for name in _OUTPUTS[self.gives]}

    def predict(self, images: Sequence[Any]) -> list[Mapping[str, Any] | str]:
        """Asks about a batch of which any may be bad; may be called from several threads at once.

        Args:
            images: What should be whole files, or whatever else it takes.

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
                why = explain(error.message)
                return [why if self.fallback is None else self.fallback.answer(images[0], why)]
            # The graph doesn't say which one it was.
            middle = len(images) // 2
            return self.predict(images[:middle]) + self.predict(images[middle:])
        return [{name: values[index] for name, values in outputs.items()} for index in range(len(images))]


def load(model_dir: str) -> ServedModel:
    """Loads an exported model, to be asked about whole files.

    Args:
        model_dir: A SavedModel, or a folder in which `trainer.task` left one; local or on an object store.

    Raises:
        ConfigError: there is no SavedModel, it can't be read, takes something else or returns something else; or it
            needs tensorflow-io, which isn't there.
    """
    signatures = load_signatures(model_dir)
    for name in ("from_bytes", SIGNATURE):
        if name in signatures and signatures[name].takes == INPUTS["from_bytes"]:
            return signatures[name]
    raise ConfigError("MODEL_DIR", model_dir, _expected((INPUTS["from_bytes"],)))


def load_signatures(model_dir: str) -> Mapping[str, ServedModel]:
    """Loads an exported model, to be asked in each way that it can be.

    Args:
        model_dir: As for `load`.

    Returns:
        Name to signature, those that take one of `trainer.serving.export.INPUTS`; `serving_default` may be among them.

    Raises:
        ConfigError: as `load`.
    """
    if not is_remote(model_dir):
        # Before TensorFlow is loaded, which takes seconds.
        find_model(model_dir)
    say_loading("tensorflow")
    load_tensorflow()
    import tensorflow as tf

    folder = find_model(model_dir)
    expected = _expected(tuple(INPUTS.values()))
    try:
        # Before the model: TensorFlow reads no graph with operations that it doesn't know.
        description = _read_description(folder)
        load_formats(str(description.get("serving_formats", "standard")), "MODEL_DIR")
        with literal_path(folder) as plain:
            model = tf.saved_model.load(plain)
    # An operation that this TensorFlow doesn't know is a `RuntimeError`.
    except (OSError, ValueError, KeyError, RuntimeError, tf.errors.OpError) as error:
        expected += _versions(folder)
        raise ConfigError("MODEL_DIR", model_dir, expected, one_line(error)[:200]) from error
    known = {}
    for name, signature in model.signatures.items():
        inputs = set(signature.structured_input_signature[1])
        if len(inputs) == 1 and inputs <= set(INPUTS.values()):
            known[name] = signature
    if not known:
        raise ConfigError("MODEL_DIR", model_dir, expected)
    signatures = {}
    for name, signature in sorted(known.items()):
        (takes,) = signature.structured_input_signature[1]
        for gives, names in _OUTPUTS.items():
            if set(names) <= set(signature.structured_outputs):
                signatures[name] = ServedModel(model, signature, takes, gives, _class_names(description))
    if not signatures:
        choices = " or ".join(", ".join(names) for names in _OUTPUTS.values())
        raise ConfigError("MODEL_DIR", model_dir, f"one that returns {choices}")
    _add_fallbacks(signatures, description)
    return signatures


def _add_fallbacks(signatures: Mapping[str, ServedModel], description: Mapping[str, Any]) -> None:
    """Gives those that take files the one that takes pixels, for what their graphs refuse."""
    from trainer.serving.fallback import make_fallback

    pixels = next((model for model in signatures.values() if model.takes == INPUTS["from_pixels"]), None)
    if pixels is None:
        return
    shape = pixels.inputs[pixels.takes].shape
    for model in signatures.values():
        if model.takes != pixels.takes and model.gives == pixels.gives:
            from_files = model.takes == INPUTS["from_filenames"]
            model.fallback = make_fallback(pixels, shape, description, from_files=from_files)


def _expected(inputs: Sequence[str]) -> str:
    return f"a SavedModel with a signature that takes {' or '.join(inputs)}"


def _versions(folder: str) -> str:
    """Says, where a newer TensorFlow wrote a SavedModel than reads it, which ones."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        content = saved_model_pb2.SavedModel.FromString(read_bytes(f"{folder}/{SAVED_MODEL_FILE}"))
        theirs = content.meta_graphs[0].meta_info_def.tensorflow_version
    except (OSError, IndexError, ValueError, DecodeError):
        return ""
    is_newer = release(theirs) > release(tf.__version__)
    return f": TensorFlow {theirs} wrote it, and TensorFlow {tf.__version__} is to read it" if is_newer else ""


def _read_description(folder: str) -> Mapping[str, Any]:
    """Returns what a SavedModel says of itself; nothing where it has no description."""
    try:
        content = read_text(f"{folder}/{DESCRIPTION}")
    except FileNotFoundError:
        return {}
    description = parse_json(content, allow_nan=True)
    if not isinstance(description, dict):
        raise ValueError(f"{DESCRIPTION} holds no object")
    return description


def _class_names(description: Mapping[str, Any]) -> Sequence[str]:
    names = description.get("class_names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
