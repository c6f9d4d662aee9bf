"""The body of a request: which signature it asks, and about what."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etl.format.parsing import is_text, parse_json
from trainer.serving.signatures import INPUTS, SIGNATURE

if TYPE_CHECKING:
    from trainer.serving.served_model import ServedModel

# Of one request. More are more requests: one that takes minutes is given up by whoever waits for it.
MAX_INSTANCES = 4_096
_BYTES = INPUTS["from_bytes"]


class BadRequestError(Exception):
    """What was sent can't be answered; its message says why."""


def read_request(body: bytes, signatures: Mapping[str, ServedModel]) -> tuple[ServedModel, list[Any]]:
    """Reads a request.

    Args:
        body: JSON: `instances`, a list, and perhaps `signature_name`. An instance is an object that names the
            signature's input, `{"image_bytes": {"b64": …}}`, `{"filenames": …}` or `{"pixels": …}`, or that input's
            value alone. What else an instance holds is passed over.
        signatures: The model's, by name.

    Returns:
        The signature that is asked: the one that is named; else the one that takes what the first instance names; else
        `serving_default`. And what it is asked about, as `ServedModel.predict` wants it.

    Raises:
        BadRequestError: it is something else.
    """
    try:
        content = parse_json(body)
        instances = content["instances"]
        if not isinstance(instances, list):
            raise TypeError(f"a list was expected, not {type(instances).__name__}")
    except (ValueError, KeyError, TypeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadRequestError(f'the body is not {{"instances": [{{"{_BYTES}": {{"b64": "…"}}}}]}}: {why}') from error
    if not 1 <= len(instances) <= MAX_INSTANCES:
        raise BadRequestError(f"instances: got {len(instances):,}, expected 1 to {MAX_INSTANCES:,}")
    model = _choose(content.get("signature_name"), instances[0], signatures)
    return model, [_read_instance(index, instance, model) for index, instance in enumerate(instances)]


def default(signatures: Mapping[str, ServedModel]) -> str:
    """Returns the name of the signature that is asked where none is named."""
    return SIGNATURE if SIGNATURE in signatures else next(iter(signatures))


def _choose(name: Any, instance: Any, signatures: Mapping[str, ServedModel]) -> ServedModel:
    if name is not None:
        if not isinstance(name, str) or name not in signatures:
            raise BadRequestError(f"signature_name: got {str(name)[:100]!r}, expected one of {', '.join(signatures)}")
        return signatures[name]
    usual = signatures[default(signatures)]
    named = {_BYTES: "b64", **instance} if isinstance(instance, dict) and "b64" in instance else instance
    if not isinstance(named, dict) or usual.takes in named:
        return usual
    return next((model for model in signatures.values() if model.takes in named), usual)


def _read_instance(index: int, instance: Any, model: ServedModel) -> Any:
    value = instance.get(model.takes, instance) if isinstance(instance, dict) else instance
    read, expected = _READERS[model.takes]
    try:
        return read(value, model)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequestError(f"instance {index}: no {expected} in it") from error


def _read_file(value: Any, model: ServedModel) -> bytes:
    return base64.b64decode(value["b64"], validate=True)


def _read_name(value: Any, model: ServedModel) -> bytes:
    # TensorFlow's own reading ends a name at a zero byte.
    if not is_text(value) or "\0" in value:
        raise ValueError("no path")
    return str(value).encode()


def _read_pixels(value: Any, model: ServedModel) -> np.ndarray:
    pixels = np.asarray(value)
    shape = model.inputs[model.takes].shape[1:]
    if pixels.dtype.kind != "i" or not shape.is_compatible_with(pixels.shape):
        raise ValueError(f"{pixels.dtype} {pixels.shape}, expected whole numbers {tuple(shape)}")
    if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 255:
        raise ValueError("numbers that are no uint8")
    return pixels.astype(np.uint8)


# By a signature's input: what reads a value, and what the value should have been.
_READERS: Mapping[str, tuple[Callable[[Any, ServedModel], Any], str]] = {
    _BYTES: (_read_file, f'{{"{_BYTES}": {{"b64": "…"}}}} with base64'),
    INPUTS["from_filenames"]: (_read_name, '{"filenames": "…"} with the path of a file'),
    INPUTS["from_pixels"]: (
        _read_pixels,
        '{"pixels": […]} with rows of pixels, each three whole numbers to 255,',
    ),
}
