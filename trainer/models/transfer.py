"""A model's start from another one's weights, layer by layer."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError, one_line
from trainer.files import exists, local_copy
from trainer.output import KERAS_NAME

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a model took over; names of layers, those of a network inside it with its name before them.

    Attributes:
        kept: Those that now have the other model's weights.
        fresh: Those with weights that keep their own.
    """

    kept: tuple[str, ...]
    fresh: tuple[str, ...]


def init_from(model: keras.Model, path: str) -> Transfer:
    """Gives a model the weights of another one, in every layer that has the same name and shapes in both.

    Args:
        model: Changed in place.
        path: A `.keras` file, local or on an object store, or the folder of a run that has one.

    Raises:
        ConfigError: there is no such model, it can't be read, or no layer fits.
    """
    found = dict(_layers(_load(path)))
    kept, fresh = [], []
    for name, layer in _layers(model):
        source = found.get(name)
        if source is not None and _shapes(source) == _shapes(layer):
            layer.set_weights(source.get_weights())
            kept.append(name)
        else:
            fresh.append(name)
    if not kept:
        raise ConfigError(
            "--init_from",
            path,
            f"a model with layers like those of {model.name}",
            f"it has {', '.join(list(found)[:4]) or 'none with weights'}, and this one {', '.join(fresh[:4])}",
        )
    return Transfer(tuple(kept), tuple(fresh))


def _load(path: str) -> keras.Model:
    import keras

    # Registers the layers of ours that a file may name.
    import trainer.layers  # noqa: F401

    file = path if Path(path).suffix == ".keras" else posixpath.join(path, KERAS_NAME)
    if not exists(file):
        raise ConfigError("--init_from", path, f"a .keras file, or the folder of a run, with its {KERAS_NAME}")
    try:
        with local_copy(file) as copy:
            model: keras.Model = keras.saving.load_model(copy, compile=False)
    # A file that is not whole, or not one of Keras: zip files, JSON and HDF5 fail each in their own way.
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError("--init_from", path, "a model that Keras can read", one_line(error)[:200]) from error
    return model


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
