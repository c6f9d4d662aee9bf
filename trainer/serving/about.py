"""Describes a served model: TensorFlow Serving's metadata, and a page for people."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainer.serving import instances
from trainer.serving.signatures import INPUTS

if TYPE_CHECKING:
    from trainer.serving.served_model import ServedModel

_NAME = "petalstream"
# By a signature's input: an instance of a request.
_EXAMPLES: Mapping[str, Any] = {
    INPUTS["from_bytes"]: {INPUTS["from_bytes"]: {"b64": "BASE64 OF A FILE"}},
    INPUTS["from_filenames"]: {INPUTS["from_filenames"]: "PATH OF A FILE WHERE THE SERVER RUNS"},
    INPUTS["from_pixels"]: {INPUTS["from_pixels"]: [[[0, 127, 255]]]},
}


def metadata(signatures: Mapping[str, ServedModel]) -> dict[str, Any]:
    """Returns the answer of TensorFlow Serving's `GET /v1/models/NAME/metadata`."""
    definitions = {name: _definition(name, model) for name, model in signatures.items()}
    return {
        "model_spec": {"name": _NAME, "signature_name": "", "version": "1"},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def describe(signatures: Mapping[str, ServedModel], predict_route: str, metadata_route: str) -> dict[str, Any]:
    """Returns what can be asked, and how."""
    usual = instances.default(signatures)
    return {
        "model": _NAME,
        "predict": f"POST {predict_route}",
        "metadata": f"GET {metadata_route}",
        "signatures": {
            name: {"takes": model.takes, "returns": sorted(model.outputs)} for name, model in signatures.items()
        },
        "signature_name": usual,
        "example": {"instances": [_EXAMPLES[signatures[usual].takes]]},
    }


def page(described: Mapping[str, Any]) -> str:
    """Returns the same as HTML."""
    method, route = described["predict"].split(" ", 1)
    rows = "".join(
        f"<tr><td>{_text(name)}</td><td>{_text(facts['takes'])}</td><td>{_text(', '.join(facts['returns']))}</td></tr>"
        for name, facts in described["signatures"].items()
    )
    example = json.dumps(described["example"])
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{_NAME}</title><h1>{_NAME}</h1>'
        f"<p>{_text(method)} {_text(route)} with <code>{_text(example)}</code></p>"
        f"<table><tr><th>signature_name</th><th>takes</th><th>returns</th></tr>{rows}</table>"
        f"<p>Without signature_name: {_text(described['signature_name'])}.</p>"
        f"<p>Types: {_text(described['metadata'])}</p></html>"
    )


def _text(value: str) -> str:
    return html.escape(value)


def _definition(name: str, model: ServedModel) -> dict[str, Any]:
    return {
        "inputs": {key: _tensor(spec, f"{name}_{key}:0") for key, spec in model.inputs.items()},
        "outputs": {
            key: _tensor(spec, f"StatefulPartitionedCall:{index}")
            for index, (key, spec) in enumerate(sorted(model.outputs.items()))
        },
        "method_name": "tensorflow/serving/predict",
    }


def _tensor(spec: Any, name: str) -> dict[str, Any]:
    from tensorflow.core.framework.types_pb2 import DataType

    is_known = spec.shape.rank is not None
    sizes = spec.shape.as_list() if is_known else []
    return {
        "dtype": DataType.Name(spec.dtype.as_datatype_enum),
        "tensor_shape": {
            "dim": [{"size": str(-1 if size is None else size), "name": ""} for size in sizes],
            "unknown_rank": not is_known,
        },
        "name": name,
    }
