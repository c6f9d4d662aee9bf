"""Records as lines of JSON, for the files that pass from one step to the next."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from etl.records import ExtraValue, PlannedImage, Rejection, Unit, UnitResult


def encode_extras(extras: Mapping[str, ExtraValue]) -> str:
    """Returns extras as JSON; bytes as base64 behind a mark."""
    return json.dumps({name: _pack(value) for name, value in sorted(extras.items())}, separators=(",", ":"))


def decode_extras(text: str) -> dict[str, ExtraValue]:
    """Returns what `encode_extras` was given."""
    return {name: _unpack(value) for name, value in json.loads(text).items()}


def encode_image(image: PlannedImage) -> bytes:
    """Returns one line of a unit's plan."""
    facts = [image.key, image.uri, image.label, image.label_int, image.digest, image.num_bytes]
    extras = encode_extras(image.extras) if image.extras else ""
    return json.dumps([*facts, extras], separators=(",", ":")).encode() + b"\n"


def decode_images(data: bytes) -> Iterator[PlannedImage]:
    """Yields the images of a unit's plan, in order."""
    for line in data.splitlines():
        key, uri, label, label_int, digest, num_bytes, extras = json.loads(line)
        yield PlannedImage(key, uri, label, label_int, digest, num_bytes, decode_extras(extras) if extras else {})


def encode_rejections(rejections: Iterable[Rejection]) -> bytes:
    """Returns lines of `rejected.jsonl`."""
    return b"".join(json.dumps(asdict(rejection)).encode() + b"\n" for rejection in rejections)


def encode_result(result: UnitResult) -> bytes:
    """Returns a unit's result as JSON."""
    return json.dumps(asdict(result)).encode()


def decode_result(data: bytes) -> UnitResult:
    """Returns what `encode_result` was given."""
    content = json.loads(data)
    content["unit"] = Unit(**content["unit"])
    for name in ("rejected_paths", "pixel_sums"):
        content[name] = tuple(content[name])
    return UnitResult(**content)


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
