"""A test picture whose orientation shows, and image files written byte by byte where no library writes them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 36, 52

# What tests resize to: the same everywhere, because each other size costs a second of tracing.
SIZE = (24, 40)

# Interlacing of PNG: (first row, first column, row step, column step) of each pass.
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def picture(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Draws what no turn maps to itself: red grows rightwards, green downwards, the top left quarter is blue."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = columns * 255 // max(width - 1, 1)
    green = rows * 255 // max(height - 1, 1)
    blue = 200 * ((rows < height / 2) & (columns < width / 2))
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def stored_for(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a picture so that a reader who obeys this EXIF orientation turns it back, by the standard's own table.

    The standard names the sides of the scene at which the stored row 0 and column 0 lie.
    """
    row_0, column_0 = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    scene = upright
    if "bottom" in (row_0, column_0):
        scene = np.flipud(scene)
    if "right" in (row_0, column_0):
        scene = np.fliplr(scene)
    return scene if row_0 in ("top", "bottom") else scene.swapaxes(0, 1)


def encode(pixels: np.ndarray, kind: str, mode: str | None = None, **options: Any) -> bytes:
    """Encodes with Pillow."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return encode_image(image.convert(mode) if mode else image, kind, **options)


def encode_image(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encodes an image of any mode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_block(orientation: int, order: str = "<", *, kind: int = 3, count: int = 1, extra: int = 0) -> bytes:
    """Makes a TIFF structure with `extra` entries before the orientation."""
    entries = [struct.pack(order + "HHII", 1 + i, 4, 1, i) for i in range(extra)]
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    entries.append(struct.pack(order + "HHI", 0x0112, kind, count) + value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", 0)


def segment(marker: int, body: bytes) -> bytes:
    """Makes a JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Inserts bytes behind a JPEG's first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_exif(jpeg: bytes, block: bytes) -> bytes:
    """Inserts an EXIF segment."""
    return with_segments(jpeg, segment(0xE1, b"Exif\0\0" + block))


def frame_at(jpeg: bytes) -> int:
    """Finds the frame header's marker in a JPEG that Pillow wrote."""
    return max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Makes a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: np.ndarray, depth: int, colours: int, *chunks: bytes, interlaced: bool = False) -> bytes:
    """Writes a PNG of any depth and colour type, with further chunks before the pixels.

    Args:
        samples: Whole numbers, (H, W, channels).
        depth: Bits a sample.
        colours: PNG's colour type.
        chunks: Whole chunks.
        interlaced: By Adam7.
    """
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + pack_row(row, depth)
        for top, left, down, right in passes
        for row in samples[top::down, left::right]
        if row.size
    )
    height, width = samples.shape[:2]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, int(interlaced)))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


def pack_row(row: np.ndarray, depth: int) -> bytes:
    """Packs one row's samples into bytes, the first in the highest bits."""
    flat = row.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    bits = (flat[:, np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()


def png_with_size(height: int, width: int) -> bytes:
    """Writes a PNG whose header promises a size that its few bytes can't hold."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def bmp(pixels: np.ndarray, *, bits: int = 24, top_down: bool = False, header_bytes: int = 40) -> bytes:
    """Writes an uncompressed BMP of 24 or 32 bits; the fourth byte of the latter is filled with 0."""
    height, width = pixels.shape[:2]
    bgr = pixels[:, :, ::-1]
    if bits == 32:
        bgr = np.concatenate([bgr, np.zeros((height, width, 1), np.uint8)], axis=2)
    rows = [row.tobytes() + bytes(-row.size % 4) for row in (bgr if top_down else bgr[::-1])]
    info = struct.pack("<IiiHHIIiiII", header_bytes, width, -height if top_down else height, 1, bits, 0, 0, 0, 0, 0, 0)
    info += bytes(header_bytes - len(info))
    start = 14 + header_bytes
    return b"BM" + struct.pack("<IHHI", start + sum(map(len, rows)), 0, 0, start) + info + b"".join(rows)


def patched(data: bytes, at: int, value: bytes) -> bytes:
    """Replaces bytes."""
    return data[:at] + value + data[at + len(value) :]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Makes a WebP file of chunks."""
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Puts RGBA on white in real numbers, rounded: what the integer arithmetic must equal."""
    alpha = rgba[..., 3:] / 255.0
    return np.floor(rgba[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)


def grey_rgb(grey: np.ndarray) -> np.ndarray:
    """Repeats one channel, (H, W), three times."""
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2).astype(np.uint8)


def truth_of(image: Image.Image) -> np.ndarray:
    """Returns an opaque image's own colours."""
    return np.asarray(image.convert("RGB"))


def cuts(data: bytes, places: Iterable[int | float]) -> list[tuple[str, bytes]]:
    """Cuts a file at places in bytes (whole numbers, negative from the end) or as shares of its length."""
    return [(str(at), data[: at if isinstance(at, int) else int(at * len(data))]) for at in places]


def tiff(
    pixels: np.ndarray, *, order: str = "<", tile: int = 0, rows: int = 0, deflate: bool = False, **tags: int
) -> bytes:
    """Writes a TIFF of grey (H, W) or RGB (H, W, 3), uint8 or uint16.

    Args:
        pixels: The picture.
        order: `<` or `>`.
        tile: Side of square tiles, a multiple of 16; 0 for strips.
        rows: Of a strip; 0 for all.
        deflate: Whether to compress.
        **tags: `t` and a number: further tags, or others in place of those that it has.
    """
    height, width = pixels.shape[:2]
    samples, bits = pixels.size // (height * width), pixels.dtype.itemsize * 8
    wide = pixels.reshape(height, width, samples).astype(pixels.dtype.newbyteorder(order))
    step, across = (tile, tile) if tile else (rows or height, width)
    if tile:
        wide = np.pad(wide, ((0, -height % tile), (0, -width % tile), (0, 0)))
    parts = [
        wide[top : top + step, left : left + across].tobytes()
        for top in range(0, height, step)
        for left in range(0, width, across)
    ]
    parts = [zlib.compress(part) for part in parts] if deflate else parts
    starts = [8 + sum(map(len, parts[:index])) for index in range(len(parts))]
    places = (324, 325) if tile else (273, 279)
    values: dict[int, tuple[int, list[int]]] = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * samples), 259: (3, [8 if deflate else 1]),
        262: (3, [2 if samples == 3 else 1]), 277: (3, [samples]),
        places[0]: (4, starts), places[1]: (4, [len(part) for part in parts]),
        **({322: (3, [tile]), 323: (3, [tile])} if tile else {278: (4, [step])}),
        **{int(name[1:]): (3, [value]) for name, value in tags.items()},
    }  # fmt: skip
    body = b"".join(parts)
    table_at = 8 + len(body)
    spare_at = table_at + 2 + 12 * len(values) + 4
    table, spare = struct.pack(order + "H", len(values)), b""
    for tag, (kind, numbers) in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        field = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(order + "I", spare_at + len(spare))
        spare += packed if len(packed) > 4 else b""
        table += struct.pack(order + "HHI", tag, kind, len(numbers)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", table_at)
    return head + body + table + struct.pack(order + "I", 0) + spare
