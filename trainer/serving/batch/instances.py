"""Instances and predictions as JSON lines, in the shape of Vertex AI's batch prediction.

An instance is `{"key": "daisy/1.jpg", "image_bytes": {"b64": "…"}}` or `{"key": …, "filenames": "gs://…"}`. Its
prediction is `{"instance": {"key": …}, "prediction": {…}}`, or `{"instance": {"key": …}, "error": "one line"}`. What
else an instance holds comes back with it, the image doesn't.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etl import progress, storage
from etl.errors import ConfigError, one_line
from etl.format.parsing import parse_json
from trainer.files import is_remote
from trainer.listing import list_files, read_file
from trainer.serving.batch.lines import MAX_LINE_BYTES

_BYTES, _NAMES = "image_bytes", "filenames"
# How much of a line that can't be read comes back, in characters.
_EXCERPT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Instance:
    """One line of the input.

    Attributes:
        echo: What of it comes back, as JSON.
        data: The image file's bytes, None where there are none.
        reason: Why, one of `job.REASONS`.
        message: The same in one line, for a person.
    """

    echo: str
    data: bytes | None = None
    reason: str = ""
    message: str = ""


class _RefusalError(Exception):
    """An instance without an image: reason and message."""


def parse(line: bytes | None) -> Instance:
    """Reads one line, and the file that it names.

    Args:
        line: As it stands in the file; None for one that is too long.
    """
    try:
        content = _parse_json(line)
    except _RefusalError as refusal:
        return Instance(_excerpt(line), None, *refusal.args)
    echo = json.dumps({name: value for name, value in content.items() if name != _BYTES})
    try:
        return Instance(echo, _read_image(content))
    except _RefusalError as refusal:
        return Instance(echo, None, *refusal.args)


def _parse_json(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise _RefusalError("not_json", f"the line is longer than {MAX_LINE_BYTES:,} bytes")
    if not line.strip():
        raise _RefusalError("not_json", "the line is empty")
    try:
        content = parse_json(line)
    except ValueError as error:
        raise _RefusalError("not_json", f"no JSON: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise _RefusalError("not_json", "not a JSON object")
    return content


def _read_image(content: Mapping[str, Any]) -> bytes:
    given = [name for name in (_BYTES, _NAMES) if name in content]
    if len(given) != 1:
        raise _RefusalError(
            "no_input", f"expected one of {_BYTES} and {_NAMES}, got {' and '.join(given) or 'neither'}"
        )
    value = content[given[0]]
    if given[0] == _NAMES:
        return _read_named(value)
    if not (isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)):
        raise _RefusalError("no_input", f'{_BYTES} is not {{"b64": "…"}}')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _RefusalError("bad_base64", f"{_BYTES} is no base64: {one_line(error)}") from None


def _read_named(name: Any) -> bytes:
    if not isinstance(name, str):
        raise _RefusalError("no_input", f"{_NAMES} is no path")
    try:
        return read_file(name)
    except OSError as error:
        raise _RefusalError("unreadable", one_line(error)) from None


def _excerpt(line: bytes | None) -> str:
    # No more bytes than may be needed: a line can be long.
    text = (line or b"")[: 4 * _EXCERPT_LENGTH].decode("utf-8", "replace").strip()
    return json.dumps(text[:_EXCERPT_LENGTH])


def encode_prediction(instance: Instance, answer: Mapping[str, Any] | str | None) -> tuple[bytes, str]:
    """Returns one line of the output.

    Args:
        instance: The line that it answers.
        answer: The model's values by output name, or why there are none; None where it wasn't asked.

    Returns:
        The line, and one of `job.REASONS` where it is an error, else "".
    """
    reason, message = instance.reason, instance.message
    prediction: dict[str, Any] = {}
    if isinstance(answer, str):
        reason, message = "not_an_image", answer
    elif answer is not None and "image_png" in answer:
        prediction = {"image_png": {"b64": base64.b64encode(answer["image_png"]).decode()}}
    elif answer is not None:
        prediction = {
            "class_str": answer["class_str"].decode(),
            "class_int": int(answer["class_int"]),
            "probability": float(answer["probability"]),
            "probabilities": [float(share) for share in answer["probabilities"]],
        }
        if not math.isfinite(prediction["probability"]):
            reason, message = "no_number", "the model's probabilities are no numbers"
    name, value = ("error", message) if reason else ("prediction", prediction)
    return f'{{"instance": {instance.echo}, "{name}": {json.dumps(value)}}}\n'.encode(), reason


def write_instances(paths: Iterable[str], output: str, *, by_name: bool) -> int:
    """Makes instances of images, one after the other; nothing is at `output` until all are written.

    Args:
        paths: Files, folders and patterns, as `trainer.listing.list_files` takes them; a file's key is its path as it
            is listed.
        output: The file to write, local or on an object store.
        by_name: Whether instances only name the files, local ones in full.

    Returns:
        How many instances there are.

    Raises:
        ConfigError: a file can't be read; with `by_name` only where there is no such local file.
    """
    partial = f"{output}.partial"
    files = list(list_files(paths, "--make_instances"))
    try:
        with progress.step("make instances", len(files)), storage.create(partial) as stream:
            for path in files:
                stream.write(_make_instance(path, by_name=by_name))
                progress.advance()
        storage.move(partial, output)
    except BaseException:
        storage.delete(partial)
        raise
    return len(files)


def _make_instance(path: str, *, by_name: bool) -> bytes:
    if by_name:
        if not is_remote(path) and not storage.exists(path):
            raise ConfigError("--make_instances", path, "files, folders or patterns that exist")
        content: dict[str, Any] = {"key": path, _NAMES: storage.absolute(path)}
    else:
        try:
            content = {"key": path, _BYTES: {"b64": base64.b64encode(read_file(path)).decode()}}
        except OSError as error:
            raise ConfigError("--make_instances", path, "files that can be read", str(error)) from error
    return json.dumps(content).encode() + b"\n"
