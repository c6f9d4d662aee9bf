"""BMP, GIF, PNG and WebP of every form: the pixels that a second decoder or the format itself gives, or a rejection."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest

from etl.errors import RecordError
from etl.images import normalise
from etl.images.header import Flaw
from etl.images.sniff import sniff
from tests.etl.images.drawing import chunk, encode, picture, png

HEIGHT, WIDTH = 13, 19
RNG = np.random.default_rng(12)
COLOURS = RNG.integers(0, 256, (256, 4), dtype=np.uint8)


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha / 255
    return colours * share + 255 * (1 - share)


def check(data: bytes, expected: np.ndarray, levels: float = 1) -> None:
    pixels = normalise.decode_rgb(data)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected.astype(np.float64)).max() <= levels


def is_taken(data: bytes) -> bool:
    """Tells whether a file is decoded; what is not must be unsupported."""
    try:
        normalise.decode_rgb(data)
    except RecordError as error:
        if error.reason != "unsupported":
            raise
        return False
    return True


def bmp(
    bits: int, body: bytes, *, height: int = HEIGHT, compression: int = 0, behind: bytes = b"", used: int = 0
) -> bytes:
    """Writes a BMP; `behind` follows the 40 bytes of its header: masks and palette."""
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(body), 2835, 2835, used, 0)
    start = 14 + len(info) + len(behind)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + behind + body


def rows(samples: np.ndarray, bits: int) -> bytes:
    """Packs rows from the last to the first, each padded to 4 bytes."""
    packed = []
    for row in samples[::-1]:
        if bits < 8:
            ones = (row[:, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
            data = np.packbits(ones.astype(np.uint8).reshape(-1)).tobytes()
        else:
            data = row.astype(f"<u{bits // 8}").tobytes()
        packed.append(data + bytes(-len(data) % 4))
    return b"".join(packed)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bmps_with_a_palette(bits: int) -> None:
    indices = RNG.integers(0, 1 << bits, (HEIGHT, WIDTH))
    palette, expected = COLOURS[: 1 << bits].tobytes(), COLOURS[indices][..., 2::-1]
    check(bmp(bits, rows(indices, bits), behind=palette), expected, 0)
    check(bmp(bits, rows(indices[::-1], bits), height=-HEIGHT, behind=palette), expected, 0)
    core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits) + COLOURS[: 1 << bits, :3].tobytes()
    check(b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + len(core)) + core + rows(indices, bits), expected, 0)
    with pytest.raises(RecordError, match="truncated: BMP"):
        normalise.decode_rgb(bmp(bits, rows(indices, bits), behind=palette)[:-20])
    if bits > 1:
        few = (1 << bits) - 3
        check(
            bmp(bits, rows(indices % few, bits), behind=COLOURS[:few].tobytes(), used=few),
            COLOURS[indices % few][..., 2::-1],
        )
        with pytest.raises(RecordError, match=f"corrupt: BMP: pixels refer to colours behind the {few} of the palette"):
            normalise.decode_rgb(bmp(bits, rows(indices, bits), behind=COLOURS[:few].tobytes(), used=few))


@pytest.mark.parametrize(
    ("bits", "masks"),
    [(16, ()), (16, (0x7C00, 0x3E0, 0x1F)), (16, (0xF800, 0x7E0, 0x1F)), (16, (0xF00, 0xF0, 0xF))]
    + [(32, tuple(255 << shift for shift in shifts)) for shifts in itertools.permutations((0, 8, 16, 24), 3)]
    + [(32, (1023 << 20, 1023 << 10, 1023))],
)
def test_bmps_with_masks(bits: int, masks: tuple[int, ...]) -> None:
    samples = RNG.integers(0, 1 << bits, (HEIGHT, WIDTH))
    data = bmp(bits, rows(samples, bits), compression=3 if masks else 0, behind=struct.pack(f"<{len(masks)}I", *masks))
    parts = [samples & mask for mask in masks or (0x7C00, 0x3E0, 0x1F)]
    tops = masks or (0x7C00, 0x3E0, 0x1F)
    expected = np.stack([part * 255 / top for part, top in zip(parts, tops, strict=True)], axis=-1)
    usual = ((), (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F), (0xFF0000, 0xFF00, 0xFF))
    if masks in usual or is_taken(data):
        check(data, expected)


@pytest.mark.parametrize("has_alpha", [True, False])
def test_an_alpha_of_nothing_but_zeros_was_left_out(has_alpha: bool) -> None:
    samples = RNG.integers(0, 1 << 32, (HEIGHT, WIDTH)) & (0xFFFFFFFF if has_alpha else 0xFFFFFF)
    masks = struct.pack("<IIII", 255 << 16, 255 << 8, 255, 255 << 24) + bytes(52)
    info = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, 0, 0, 0, 0, 0) + masks
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + len(info)) + info + rows(samples, 32)
    colours = np.stack([samples >> shift & 255 for shift in (16, 8, 0)], axis=-1)
    check(data, on_white(colours, (samples >> 24)[..., np.newaxis]) if has_alpha else colours)


def test_runs_in_a_bmp() -> None:
    indices = RNG.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    palette, expected = COLOURS.tobytes(), COLOURS[indices][..., 2::-1]
    literal = [bytes([0, WIDTH]) + row.tobytes() + bytes(WIDTH % 2) + b"\0\0" for row in indices[::-1]]
    runs = [b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in indices[::-1]]
    for body in (literal, runs, [*runs[:4], *literal[4:]]):
        check(bmp(8, b"".join(body) + b"\0\1", compression=1, behind=palette), expected, 0)
    # What codes jump over has the first colour.
    jumped = np.where((np.arange(HEIGHT) == HEIGHT - 7)[:, np.newaxis, np.newaxis], COLOURS[0, 2::-1], expected)
    check(bmp(8, b"".join([*runs[:6], b"\0\2\0\1", *runs[7:]]) + b"\0\1", compression=1, behind=palette), jumped, 0)
    with pytest.raises(RecordError, match="truncated: BMP: not enough image data"):
        normalise.decode_rgb(bmp(8, b"".join(runs[:6]) + b"\0\1", compression=1, behind=palette))
    fours = b"".join(bytes([0, 5, 0x12, 0x34, 0x50, 0]) + bytes([14, 0x67]) + b"\0\0" for _ in range(HEIGHT)) + b"\0\1"
    with pytest.raises(RecordError, match="unsupported: a BMP in RLE4, of which decoders lose pixels"):
        normalise.decode_rgb(bmp(4, fours, compression=2, behind=palette[:64]))


def lzw(indices: np.ndarray) -> bytes:
    """Codes a frame without compression: 9 bits a pixel, a new table before they would become 10."""
    codes = [256]
    for number, value in enumerate(indices.reshape(-1)):
        codes += [int(value), 256] if number % 254 == 253 else [int(value)]
    codes.append(257)
    bits = "".join(f"{code:09b}"[::-1] for code in codes)
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    return (
        b"\x08"
        + b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
        + b"\0"
    )


def control(transparent: int | None) -> bytes:
    return b"\x21\xf9\x04" + bytes([transparent is not None, 0, 0, transparent or 0, 0])


def gif(
    indices: np.ndarray,
    before: bytes = b"",
    *,
    at: tuple[int, int] = (0, 0),
    local: bool = False,
    interlaced: bool = False,
) -> bytes:
    """Writes a GIF whose frame lies at (top, left) on a canvas that reaches two pixels beyond it."""
    height, width = indices.shape
    beyond = 2 if at != (0, 0) else 0
    palette = COLOURS[:, :3].tobytes()
    data = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]]) if interlaced else indices
    head = struct.pack("<HHBBB", width + at[1] + beyond, height + at[0] + beyond, 0x70 if local else 0xF7, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", at[1], at[0], width, height, 0x87 * local | 0x40 * interlaced)
    return (
        b"GIF89a"
        + head
        + b"" * local
        + (b"" if local else palette)
        + before
        + frame
        + palette * local
        + lzw(data)
        + b";"
    )


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("at", [(0, 0), (3, 5)])
def test_gifs(at: tuple[int, int], local: bool, interlaced: bool) -> None:
    indices = RNG.integers(0, 200, (HEIGHT, WIDTH))
    colours = COLOURS[indices][..., :3]
    comment = b"\x21\xfe\3abc\0"

    def expected(hole: int | None) -> np.ndarray:
        shown = colours if hole is None else np.where((indices == hole)[..., np.newaxis], 255, colours)
        canvas = np.full((HEIGHT + at[0] + 2, WIDTH + at[1] + 2, 3), 255)
        canvas[at[0] : at[0] + HEIGHT, at[1] : at[1] + WIDTH] = shown
        return shown if at == (0, 0) else canvas

    for number in range(4):
        for holes in itertools.product((14, None, 20), repeat=number):
            before = comment.join(map(control, holes)) + comment
            data = gif(indices, before, at=at, local=local, interlaced=interlaced)
            check(data, expected(holes[-1] if holes else None), 0)
            if number > 1 and at == (0, 0):
                assert sniff(data).flaw is Flaw.GIF


def test_gifs_that_end_early_or_write_text() -> None:
    indices = RNG.integers(0, 200, (HEIGHT, WIDTH))
    for before in (b"", control(14), control(14) + control(None)):
        data = gif(indices, before)
        at = data.index(b"\x2c", 13 + 768) + 11
        half = data[:at] + bytes([100]) + data[at + 1 : at + 101] + b"\0;"
        with pytest.raises(RecordError, match=r"truncated|corrupt"):
            normalise.decode_rgb(half)
    text = b"\x21\x01\x0c" + bytes(12) + b"\2hi\0"
    with pytest.raises(RecordError, match="unsupported: the GIF writes text onto its canvas"):
        normalise.decode_rgb(gif(indices, control(14) + text))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("kind", "channels", "depths"), [(0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (4, 2, (8, 16)), (6, 4, (8, 16))]
)
def test_pngs(kind: int, channels: int, depths: tuple[int, ...], interlaced: bool) -> None:
    for depth in depths:
        samples = RNG.integers(0, 1 << depth, (HEIGHT, WIDTH, channels))
        gamma = chunk(b"gAMA", struct.pack(">I", 45_455))
        for chunks in ((), (gamma,)):
            data = png(samples, depth, kind, *chunks, interlaced=interlaced)
            # Of 16 bits each channel keeps its upper 8, colour and alpha.
            elsewhere = imagecodecs.png_decode(data).reshape(HEIGHT, WIDTH, channels).astype(np.float64)
            elsewhere *= 255 / (65_535 if depth == 16 else 255)
            colours, alpha = elsewhere[..., : 1 + 2 * (channels > 2)], elsewhere[..., -1:]
            shown = on_white(colours, alpha) if channels in (2, 4) else colours
            check(data, np.broadcast_to(shown, (HEIGHT, WIDTH, 3)), 2.5 if depth == 16 and channels in (2, 4) else 1)


@pytest.mark.parametrize("options", [{"lossless": True, "exact": True}, {"quality": 90}, {"quality": 20, "method": 0}])
@pytest.mark.parametrize("channels", [3, 4])
def test_webps(options: dict[str, Any], channels: int) -> None:
    truth = picture(40, 56)
    pixels = truth if channels == 3 else np.dstack([truth, truth[::-1, :, 0]])
    data = encode(pixels, "WEBP", **options)
    elsewhere = imagecodecs.webp_decode(data).astype(np.float64)
    check(data, on_white(elsewhere[..., :3], elsewhere[..., 3:]) if channels == 4 else elsewhere)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw file; develop it to a JPEG or a TIFF first"),
        (b"IIRO\x08\0\0\0", "a camera's raw file"),
        (b"IIRS\x08\0\0\0", "a camera's raw file"),
        (b"IIU\0\x18\0\0\0", "a camera's raw file"),
        (b"FUJIFILMCCD-RAW 0201FF383501", "a camera's raw file"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw file"),
        (b"FOVb\0\0\2\0", "a camera's raw file"),
        (b"\0MRM\0\1\2\3", "a camera's raw file"),
        (b"II\x1a\0\0\0HEAPCCDR", "a camera's raw file"),
        (b"P6\n2 2\n255\n", "PNM .P6. files are not decoded here"),
        (b"P5\n2 2\n255\n", "PNM .P5. files are not decoded here"),
    ],
)
def test_files_that_are_known_and_not_decoded(start: bytes, message: str) -> None:
    with pytest.raises(RecordError, match=f"unsupported: {message}"):
        normalise.decode_rgb(start + bytes(100))
