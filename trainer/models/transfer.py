"""A model's start from another one's weights, layer by layer."""

from __future__ import annotations

import json
import posixpath
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError, one_line
from trainer.files import exists, local_copy, read_bytes
from trainer.layout import CONFIG_NAME, KERAS_NAME
from trainer.models.releases import release

if TYPE_CHECKING:
    import keras

# Layers or classes that a message names.
_NUM_NAMED = 4


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a model took over; names of layers, those of a network inside it with its name before them.

    Attributes:
        kept: Those that now have the other model's weights.
        fresh: Those with weights that keep their own.
        reasons: Why, for each of these, in the same order.
    """

    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{name} ({reason})" for name, reason in zip(self.fresh, self.reasons, strict=True)]
        more = f" and {len(parts) - _NUM_NAMED} more" if len(parts) > _NUM_NAMED else ""
        return f"{len(self.kept)} layers taken over; not taken: {', '.join(parts[:_NUM_NAMED]) or 'none'}{more}"


def init_from(model: keras.Model, path: str, class_names: Sequence[str] | None = None) -> Transfer:
    """Gives a model the weights of another one, in every layer that has the same name and shapes in both.

    A last layer for other classes is not taken, even if they are as many.

    Args:
        model: Changed in place.
        path: A `.keras` file, local or on an object store, or the folder of a run that has one.
        class_names: That the model gives; None for a model without, or where they aren't known.

    Raises:
        ConfigError: there is no such model, it can't be read, or no layer fits.
    """
    found = dict(_layers(_load(path)))
    theirs = _class_names(path) if class_names is not None else None
    kept, fresh = [], {}
    for name, layer in _layers(model):
        source, is_head = found.get(name), layer is model.layers[-1]
        if source is None:
            fresh[name] = "it has none of that name"
        elif _shapes(source) != _shapes(layer):
            fresh[name] = _difference(source, layer, is_head=is_head and class_names is not None)
        elif is_head and theirs is not None and list(theirs) != list(class_names or ()):
            fresh[name] = f"its classes are others: {_few(theirs)} there, {_few(class_names or ())} here"
        else:
            layer.set_weights(source.get_weights())
            kept.append(name)
    transfer = Transfer(tuple(kept), tuple(fresh), tuple(fresh.values()))
    if not kept:
        raise ConfigError("--init_from", path, f"a model with layers like those of {model.name}", str(transfer))
    return transfer


def _difference(source: keras.layers.Layer, layer: keras.layers.Layer, *, is_head: bool) -> str:
    if is_head:
        return f"{_shapes(source)[-1][-1]} classes there, {_shapes(layer)[-1][-1]} here"
    return f"of shape {_shapes(source)[0]} there, {_shapes(layer)[0]} here"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NUM_NAMED]) + (", …" if len(names) > _NUM_NAMED else "")


def _class_names(path: str) -> list[str] | None:
    """Returns the classes of the run in whose folder a model lies; None where that isn't known."""
    import yaml

    folder = posixpath.dirname(path) if Path(path).suffix == ".keras" else path
    file = posixpath.join(folder, CONFIG_NAME)
    try:
        content = yaml.safe_load(read_bytes(file))
        return [str(name) for name in content["resolved"]["class_names"]]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def check_init_from(path: str) -> str:
    """Returns the file of the model that `--init_from` names; loads no TensorFlow for a local one.

    Args:
        path: As for `init_from`.

    Raises:
        ConfigError: there is no such file.
    """
    file = path if Path(path).suffix == ".keras" else posixpath.join(path, KERAS_NAME)
    if not exists(file):
        raise ConfigError("--init_from", path, f"a .keras file, or the folder of a run, with its {KERAS_NAME}")
    return file


def _load(path: str) -> keras.Model:
    import keras

    # Registers the layers of ours that a file may name.
    import trainer.layers  # noqa: F401

    file = check_init_from(path)
    try:
        with local_copy(file) as copy:
            model: keras.Model = keras.saving.load_model(copy, compile=False)
    # A file that is not whole, or not one of Keras: zip files, JSON and HDF5 fail each in their own way.
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        versions = _versions(file)
        raise ConfigError(
            "--init_from", path, f"a model that Keras can read{versions}", one_line(error)[:200]
        ) from error
    return model


def _versions(file: str) -> str:
    """Says, where a newer Keras wrote a file than reads it, which ones."""
    import keras

    try:
        with local_copy(file) as copy, zipfile.ZipFile(copy) as archive:
            theirs = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return ""
    is_newer = release(theirs) > release(keras.__version__)
    return f": Keras {theirs} wrote it, and Keras {keras.__version__} is to read it" if is_newer else ""


def _layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields the layers that have weights, by name, those of models inside models too."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer, f"{prefix}{layer.name}/")
        elif layer.weights:
            yield prefix + layer.name, layer


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
