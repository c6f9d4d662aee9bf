"""The signatures of an exported model: their inputs and outputs by name, and where its description lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Beside the signatures of `INPUTS`: the one that servers call where none is named.
SIGNATURE = "serving_default"

# Signature to the one input that it takes. The suffix `_bytes` makes REST servers and their clients agree on base64.
INPUTS: Mapping[str, str] = {
    "from_bytes": "image_bytes",
    "from_filenames": "filenames",
    "from_pixels": "pixels",
}

# For `--serving_input`: which of them `serving_default` is.
SERVING_INPUTS = tuple(INPUTS.values())

# For `--serving_formats`: what the graph decodes. The first are those that TensorFlow decodes; with the second the
# model holds tensorflow-io's operations, and loads only where these do.
SERVING_FORMATS = ("standard", "extra")

# By what a model gives.
CLASS_OUTPUTS = ("class_int", "class_str", "probabilities", "probability")

COLOUR_OUTPUTS = ("image_png", "pixels")

# SavedModel's own place for files that TensorFlow doesn't read, and ours in it.
EXTRA_DIR = "assets.extra"

DESCRIPTION_NAME = "petalstream.json"

# The description, within the SavedModel.
DESCRIPTION = f"{EXTRA_DIR}/{DESCRIPTION_NAME}"


def load_formats(serving_formats: str, option: str = "--serving_formats") -> Any:
    """Returns the operations that decode more formats than TensorFlow's own do; None where none were asked for.

    Args:
        serving_formats: One of `SERVING_FORMATS`.
        option: What asks for them, for the error.

    Raises:
        ConfigError: tensorflow-io isn't there, or doesn't load on this TensorFlow.
    """
    if serving_formats == "standard":
        return None

    from etl.images.graph import extra

    return extra.load(option, serving_formats)
