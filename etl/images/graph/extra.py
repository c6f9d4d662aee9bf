"""tensorflow-io's decoders: TIFF, AVIF and JPEG 2000 inside the graph, where they can be had.

They are custom operations: a graph that holds them runs only in processes that have loaded their library, so they are
in an exported model only where they were asked for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf

from etl.errors import ConfigError

PACKAGE = "tensorflow-io"

# The only one on which tensorflow-io's last version, 0.37.1, loads.
RELEASE = "2.16"
HINT = f"AVIF, TIFF and JPEG 2000 need TensorFlow {RELEASE} and: pip install 'petalstream[io]'"

# Of the package `tensorflow_io`. Its own import would also put file systems of its own in place of TensorFlow's, and
# loads this library only with the first call of one of its operations.
_LIBRARY = Path("python", "ops", "libtensorflow_io.so")

_loaded: list[ModuleType] = []


def load(option: str, got: object) -> Any:
    """Loads the operations into this process, once.

    Args:
        option: The flag or argument that asks for them, for the error.
        got: Its value.

    Returns:
        The operations, as functions of tensors: `io_decode_tiff`, `io_decode_avif`, `io_decode_jpeg2k`.

    Raises:
        ConfigError: the package isn't there, or was built for another release of TensorFlow.
    """
    if not _loaded:
        _loaded.append(_load(option, got))
    return _loaded[0]


def _load(option: str, got: object) -> ModuleType:
    found = importlib.util.find_spec("tensorflow_io")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(option, got, f"{PACKAGE}, which is not installed", HINT)
    path = Path(found.submodule_search_locations[0]) / _LIBRARY
    try:
        library: ModuleType = tf.load_op_library(str(path))
    except (tf.errors.OpError, OSError) as error:
        version = importlib.metadata.version(PACKAGE)
        what = f"a TensorFlow on which {PACKAGE} {version} loads ({RELEASE}; this is {tf.__version__})"
        raise ConfigError(option, got, what, HINT) from error
    return library
