"""Records as lines of JSON, for the files that pass from one step to the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from etl.errors import DatasetError, one_line
from etl.format.features import ExtraValue
from etl.format.parsing import make, parse_json, split_lines, to_tuple
from etl.records import PlannedImage, Rejection, Unit, UnitResult


def encode_extras(extras: Mapping[str, ExtraValue]) -> str:
    """Returns extras as JSON; bytes as base64 behind a mark."""
    return json.dumps({name: _pack(value) for name, value in sorted(extras.items())}, separators=(",", ":"))


def decode_extras(text: str) -> dict[str, ExtraValue]:
    """Returns what `encode_extras` was given."""
    return {name: _unpack(value) for name, value in parse_json(text, allow_nan=True).items()}


def encode_image(image: PlannedImage) -> bytes:
    """Returns one line of a unit's plan."""
    facts = [image.key, image.uri, image.label, image.label_int, image.digest, image.num_bytes]
    extras = encode_extras(image.extras) if image.extras else ""
    return json.dumps([*facts, extras], separators=(",", ":")).encode() + b"\n"


def decode_images(data: bytes, where: str = "") -> Iterator[PlannedImage]:
    """Yields the images of a unit's plan, in order.

    Args:
        data: The plan.
        where: Its path, for the error.

    Raises:
        DatasetError: it was damaged.
    """
    for number, line in split_lines(data):
        try:
            key, uri, label, label_int, digest, num_bytes, extras = parse_json(line)
            yield PlannedImage(key, uri, label, label_int, digest, num_bytes, decode_extras(extras) if extras else {})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DatasetError(
                f"{where}: line {number} is no line of a plan ({one_line(error)[:200]}): it was damaged; "
                "the same command with --overwrite begins anew"
            ) from error


def encode_rejections(rejections: Iterable[Rejection]) -> bytes:
    """Returns lines of `rejected.jsonl`."""
    return b"".join(json.dumps(asdict(rejection)).encode() + b"\n" for rejection in rejections)


def decode_rejections(data: bytes) -> Iterator[Rejection]:
    """Yields what `encode_rejections` was given.

    Raises:
        ValueError: it was damaged.
    """
    for number, line in split_lines(data):
        try:
            yield make(Rejection, **parse_json(line))
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {number} is no rejected input: {error}") from error


def encode_result(result: UnitResult) -> bytes:
    """Returns a unit's result as JSON."""
    return json.dumps(asdict(result)).encode()


def decode_result(data: bytes) -> UnitResult:
    """Returns what `encode_result` was given.

    Raises:
        ValueError: it was damaged.
    """
    try:
        content = parse_json(data)
        content["unit"] = make(Unit, **content["unit"])
        for name in ("rejected_paths", "pixel_sums"):
            content[name] = to_tuple(content[name])
        return make(UnitResult, **content)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no result of a unit: {error}") from error


def _pack(value: ExtraValue) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _unpack(value: Any) -> ExtraValue:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    if isinstance(value, list):
        return tuple(value)
    unpacked: ExtraValue = value
    return unpacked
