"""Writes TIFFs of any form: bits, sample formats, planes, colours, compressions, orders, strips and tiles."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import imagecodecs
import numpy as np

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB, CFA = 0, 1, 2, 3, 5, 6, 8, 32803
UNSIGNED, SIGNED, FLOAT, VOID = 1, 2, 3, 4
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773, "zstd": 50000, "lzma": 34925}
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class Form:
    """How a TIFF is written; the fields are named as in the specification.

    Attributes:
        bits: Of a sample, 1 to 64; of more than 8 and less than 16 packed without gaps.
        tile: Side of square tiles, 0 for strips.
        rows: Of a strip, 0 for all.
        extra: ExtraSamples.
        tags: Further tags: number to (type, values).
    """

    photometric: int = BLACK_IS_ZERO
    bits: int = 8
    sample_format: int = UNSIGNED
    planar: int = 1
    compression: str = "none"
    predictor: int = 1
    order: str = "<"
    fill_order: int = 1
    tile: int = 0
    rows: int = 0
    big: bool = False
    extra: tuple[int, ...] = ()
    tags: Mapping[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)

    def __str__(self) -> str:
        usual = Form()
        return ", ".join(f"{key}={value}" for key, value in vars(self).items() if value != getattr(usual, key))


def write(*pages: tuple[np.ndarray, Form], sub: tuple[np.ndarray, Form] | None = None) -> bytes:
    """Writes pages of whole numbers or floats, (H, W, S), one behind the other; `sub` hangs below the first."""
    first = pages[0][1]
    head_bytes = 16 if first.big else 8
    body, directories = bytearray(head_bytes), []
    for samples, form in (*pages, *([sub] if sub else [])):
        starts, lengths = [], []
        for chunk in _chunks(samples, form):
            starts.append(len(body))
            lengths.append(len(chunk))
            body += chunk + bytes(len(chunk) % 2)
        directories.append(_tags(samples, form, starts, lengths))
    if sub:
        last = _append(body, directories.pop(), first, 0)
        directories[0][330] = (4, (last,))
    after = 0
    for tags in reversed(directories):
        after = _append(body, tags, first, after)
    mark = b"II" if first.order == "<" else b"MM"
    if first.big:
        body[:16] = mark + struct.pack(first.order + "HHHQ", 43, 8, 0, after)
    else:
        body[:8] = mark + struct.pack(first.order + "HI", 42, after)
    return bytes(body)


def _tags(
    samples: np.ndarray, form: Form, starts: list[int], lengths: list[int]
) -> dict[int, tuple[int, tuple[int, ...]]]:
    height, width, count = samples.shape
    tags: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)), 257: (4, (height,)), 258: (3, (form.bits,) * count),
        259: (3, (COMPRESSIONS[form.compression],)), 262: (3, (form.photometric,)), 277: (3, (count,)),
        284: (3, (form.planar,)), 339: (3, (form.sample_format,) * count),
    }  # fmt: skip
    if form.tile:
        tags |= {322: (3, (form.tile,)), 323: (3, (form.tile,)), 324: (4, tuple(starts)), 325: (4, tuple(lengths))}
    else:
        tags |= {273: (4, tuple(starts)), 278: (4, (form.rows or height,)), 279: (4, tuple(lengths))}
    if form.predictor != 1:
        tags[317] = (3, (form.predictor,))
    if form.fill_order != 1:
        tags[266] = (3, (form.fill_order,))
    if form.extra:
        tags[338] = (3, form.extra)
    return {**tags, **form.tags}


def _append(body: bytearray, tags: dict[int, tuple[int, tuple[int, ...]]], form: Form, after: int) -> int:
    """Appends a directory, returns where it is."""
    letters = {1: "B", 3: "H", 4: "I", 16: "Q"}
    room, number = (8, "Q") if form.big else (4, "I")
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{form.order}{len(values)}{letters[kind]}", *values)
        if len(packed) > room:
            place = len(body)
            body += packed + bytes(len(packed) % 2)
            packed = struct.pack(form.order + number, place)
        entries += struct.pack(form.order + "HH" + number, tag, kind, len(values)) + packed.ljust(room, b"\0")
    at = len(body)
    body += struct.pack(form.order + ("Q" if form.big else "H"), len(tags)) + entries
    body += struct.pack(form.order + number, after)
    return at


def _chunks(samples: np.ndarray, form: Form) -> list[bytes]:
    """Cuts the samples into strips or tiles, plane after plane if they are apart, and encodes each."""
    height, width, count = samples.shape
    planes = [samples[..., i : i + 1] for i in range(count)] if form.planar == 2 else [samples]
    down, across = (form.tile, form.tile) if form.tile else (form.rows or height, width)
    parts = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                part = plane[top : top + down, left : left + across]
                if form.tile:
                    part = np.pad(part, ((0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)))
                parts.append(_encode(part, form))
    return parts


def _encode(part: np.ndarray, form: Form) -> bytes:
    if form.predictor == 2:
        part = np.diff(part.astype(np.int64), axis=1, prepend=0) % (1 << form.bits)
    data = pack(part, form)
    if form.compression == "deflate":
        data = zlib.compress(data)
    elif form.compression != "none":
        data = bytes(getattr(imagecodecs, f"{form.compression}_encode")(data))
    return data.translate(_REVERSED) if form.fill_order == 2 else data


def pack(part: np.ndarray, form: Form) -> bytes:
    """Packs rows of samples, each padded to a whole byte."""
    if form.bits in (8, 16, 32, 64):
        kind = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f", VOID: "u"}[form.sample_format]
        return part.astype(f"{form.order}{kind}{form.bits // 8}").tobytes()
    rows = part.reshape(part.shape[0], -1).astype(np.int64)
    bits = (rows[:, :, np.newaxis] >> np.arange(form.bits - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(part.shape[0], -1).astype(np.uint8), axis=1).tobytes()
