"""The encodings: how an example holds its image. One module each, found here by the name that the manifest says.

`NAME.py` has the class and needs no TensorFlow; `NAME_graph.py` decodes in TensorFlow's graph. A new one is these two
files and a line in `ENCODINGS`.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from etl.format.encodings.base import Encoding
from etl.format.features import ImageSpec

if TYPE_CHECKING:
    from etl.format.encodings.graph import GraphEncoding

# The manifest's name -> module. `none` is the manifest's word for a variant without images.
ENCODINGS: dict[str, str] = {
    "jpeg": "etl.format.encodings.jpeg",
    "raw": "etl.format.encodings.raw",
    "float_list": "etl.format.encodings.float_list",
    "none": "etl.format.encodings.embedding",
    "reference": "etl.format.encodings.reference",
}


@functools.cache
def find(name: str) -> Encoding:
    """Returns an encoding by name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in ENCODINGS:
        raise ValueError(f"no encoding {name!r}; there are {', '.join(ENCODINGS)}")
    encoding: Encoding = importlib.import_module(ENCODINGS[name]).ENCODING
    return encoding


def of(image: ImageSpec) -> Encoding:
    """Returns the encoding of a variant's images."""
    return find(image.encoding)


@functools.cache
def in_graph(name: str) -> GraphEncoding:
    """Returns an encoding's part in TensorFlow's graph, which imports TensorFlow."""
    module = importlib.import_module(f"{ENCODINGS[name]}_graph")
    encoding: GraphEncoding = module.ENCODING
    return encoding
