"""Makes a corpus of files that a folder of images may hold, each with what must become of it."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.etl.images.drawing import (
    HEIGHT,
    WIDTH,
    bmp,
    chunk,
    cuts,
    encode,
    encode_image,
    exif_block,
    frame_at,
    grey_rgb,
    on_white,
    patched,
    picture,
    png,
    png_with_size,
    riff,
    segment,
    stored_for,
    truth_of,
    with_exif,
    with_segments,
)

# Mean difference that a lossy codec may make on the picture, of 255.
LOSSY = 4.0

# `jpegtran -arithmetic -copy none` of picture(24, 32) as Pillow's JPEG: no library of Python's writes this coding.
ARITHMETIC_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgy"
    "PC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjL/yQARCAAYACAD"
    "ASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/ALa4OfmMQ/RrHhljkudI6GWOVPNIjn8deTuqVkU+5l/cSqy61ql8Su4f645wjDJb"
    "UDTco9zvgQaVmkUJNk2mFJsKhvOJINrU50hEdpeB0QZLL0U2vVs1vJ+we6DZWrP3fmD/2Q=="
)

# name, extension, bytes, upright RGB or the reason for its rejection, tolerance
Entry = tuple[str, str, bytes, np.ndarray | str, float]


@dataclass(frozen=True)
class Case:
    """One file of the corpus.

    Attributes:
        name: Unique.
        path: The file.
        expected: Upright RGB, uint8, (H, W, 3), or the reason for which it must be rejected.
        tolerance: How far the mean absolute difference may be from `expected`, of 255.
    """

    name: str
    path: Path
    expected: np.ndarray | str
    tolerance: float


def make_corpus(folder: Path, seed: int) -> list[Case]:
    """Writes the corpus.

    Args:
        folder: Where the files go; made if missing.
        seed: Of the noise in some of them.

    Returns:
        A case a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    sections = (
        _jpegs(), _scans(rng), _turned(), _odd_exif(rng), _pngs(rng), _gifs(), _bmps(), _webps(), _tiffs(),
        _jp2s_and_avifs(), _wrong_names(), _small_and_long(), _cut(), _bombs(), _no_images(rng), _damaged(),
        _trailing(rng),
    )  # fmt: skip
    cases = []
    for section in sections:
        for name, extension, data, expected, tolerance in section:
            path = folder / f"{name}{extension}"
            if path.exists():
                raise ValueError(f"two cases are called {path.name}")
            path.write_bytes(data)
            cases.append(Case(name, path, expected, tolerance))
    return cases


def _jpegs() -> Iterator[Entry]:
    truth = picture()
    grey = np.asarray(Image.fromarray(truth).convert("L"))
    yield "jpeg", ".jpg", encode(truth, "JPEG", quality=95), truth, LOSSY
    yield "jpeg_progressive", ".jpg", encode(truth, "JPEG", quality=95, progressive=True), truth, LOSSY
    yield "jpeg_grey", ".jpg", encode(grey, "JPEG", quality=95), grey_rgb(grey), LOSSY
    yield "jpeg_rgb_stored", ".jpg", encode(truth, "JPEG", quality=95, keep_rgb=True), truth, LOSSY
    yield "jpeg_restarts", ".jpg", encode(truth, "JPEG", quality=95, restart_marker_blocks=2), truth, LOSSY
    for name in ("4:4:4", "4:2:2", "4:2:0"):
        yield f"jpeg_{name.replace(':', '')}", ".jpg", encode(truth, "JPEG", quality=95, subsampling=name), truth, LOSSY
    yield "jpeg_cmyk", ".jpg", encode(truth, "JPEG", "CMYK", quality=95), truth, LOSSY
    cmyk = encode(truth, "JPEG", "CMYK", quality=95)
    adobe = cmyk.index(b"\xff\xee")
    yield "jpeg_cmyk_no_adobe", ".jpg", cmyk[:adobe] + cmyk[adobe + 16 :], "unsupported", 0
    cmyk = encode(stored_for(truth, 6), "JPEG", "CMYK", quality=95)
    yield "jpeg_cmyk_turned", ".jpg", with_exif(cmyk, exif_block(6)), truth, LOSSY
    yield "jpeg_arithmetic", ".jpg", ARITHMETIC_JPEG, "unsupported", 0
    jpeg = encode(truth, "JPEG", quality=95)
    at = frame_at(jpeg)
    yield "jpeg_extended", ".jpg", patched(jpeg, at + 1, b"\xc1"), truth, LOSSY
    yield "jpeg_lossless_header", ".jpg", patched(jpeg, at + 1, b"\xc3"), "unsupported", 0
    yield "jpeg_hierarchical_header", ".jpg", patched(jpeg, at + 1, b"\xc5"), "unsupported", 0
    yield "jpeg_12_bits", ".jpg", patched(jpeg, at + 4, b"\x0c"), "unsupported", 0
    yield "jpeg_2_components", ".jpg", patched(jpeg, at + 9, b"\x02"), "unsupported", 0
    yield "jpeg_fill_bytes", ".jpg", with_segments(jpeg, b"\xff" * 9), truth, LOSSY
    yield "jpeg_many_segments", ".jpg", with_segments(jpeg, *[segment(0xE5, b"x")] * 500), truth, LOSSY
    yield "jpeg_endless_segments", ".jpg", with_segments(jpeg, *[segment(0xE5, b"")] * 5000), "corrupt", 0
    thumbnail = exif_block(1) + encode(picture(8, 8), "JPEG")
    yield "jpeg_thumbnail", ".jpg", with_exif(jpeg, thumbnail), truth, LOSSY
    yield "jpeg_thumbnail_cut", ".jpg", with_exif(jpeg, thumbnail)[: -len(jpeg) // 3], "truncated", 0


def _scans(rng: np.random.Generator) -> Iterator[Entry]:
    """JPEGs whose scans end early, or late, whatever stands behind them."""
    truth, end = picture(), b"\xff\xd9"
    noise = rng.integers(0, 256, (96, 112, 3), dtype=np.uint8)
    forms: dict[str, tuple[str, dict[str, object]]] = {
        "baseline": ("RGB", {}),
        "full_colour": ("RGB", {"subsampling": "4:4:4"}),
        "grey": ("L", {}),
        "progressive": ("RGB", {"progressive": True}),
        "restarts": ("RGB", {"restart_marker_rows": 1}),
        "cmyk": ("CMYK", {}),
    }
    for name, (mode, options) in forms.items():
        shown = np.asarray(Image.fromarray(truth).convert("L").convert("RGB")) if mode == "L" else truth
        smooth = encode(truth, "JPEG", mode, quality=95, **options)
        for missing in (1, 2):
            yield f"scan_{name}_{missing}_less", ".jpg", smooth[:-missing], shown, LOSSY
        yield f"scan_{name}_padded", ".jpg", smooth[:-2] + bytes(40) + end, shown, LOSSY
        yield f"scan_{name}_junk", ".jpg", smooth[:-2] + bytes(range(40)) + end, "corrupt", 0
        jpeg = encode(noise, "JPEG", mode, quality=90, **options)
        scan = jpeg.index(b"\xff\xda")
        start = scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
        for share in (0, 0.1, 0.5, 0.9, 0.99):
            part = jpeg[: start + int(share * (len(jpeg) - start))]
            yield f"scan_{name}_{share}", ".jpg", part, "truncated", 0
            yield f"scan_{name}_{share}_ended", ".jpg", part + end, "truncated", 0
            yield f"scan_{name}_{share}_followed", ".jpg", part + end + jpeg, "truncated", 0
    progressive = encode(truth, "JPEG", progressive=True)
    for number, found in enumerate(re.finditer(b"\xff\xda", progressive)):
        if number:
            yield f"scan_none_behind_{number}", ".jpg", progressive[: found.start()] + end, "truncated", 0
    # A header of which the decoder warns must not hide what it has to say later.
    old = encode(truth, "JPEG", quality=95).replace(b"JFIF\0\1\1", b"JFIF\0\0\0")
    yield "scan_odd_header", ".jpg", old, truth, LOSSY
    yield "scan_odd_header_half", ".jpg", old[: -len(old) // 4] + end, "truncated", 0
    turned = with_exif(encode(stored_for(truth, 6), "JPEG", quality=95), exif_block(6))
    yield "scan_turned_2_less", ".jpg", turned[:-2], truth, LOSSY


def _turned() -> Iterator[Entry]:
    """All eight orientations, in every format that can say so."""
    truth = picture()
    for orientation in range(1, 9):
        stored = stored_for(truth, orientation)
        jpeg = encode(stored, "JPEG", quality=95)
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"turned_{orientation}", ".jpg", with_exif(jpeg, exif_block(orientation, extra=3)), truth, LOSSY
        yield f"turned_{orientation}_big", ".jpg", with_exif(jpeg, exif_block(orientation, ">")), truth, LOSSY
        yield f"turned_{orientation}", ".png", encode(stored, "PNG", exif=exif), truth, 0
        yield f"turned_{orientation}_lossless", ".webp", encode(stored, "WEBP", lossless=True, exif=exif), truth, 0
        yield f"turned_{orientation}", ".webp", encode(stored, "WEBP", quality=95, exif=exif), truth, LOSSY
        yield f"turned_{orientation}", ".tif", encode(stored, "TIFF", tiffinfo={0x0112: orientation}), truth, 0
        yield f"turned_{orientation}", ".avif", encode(stored, "AVIF", quality=95, exif=exif), truth, LOSSY


def _odd_exif(rng: np.random.Generator) -> Iterator[Entry]:
    """EXIF that is broken, or that loops: the picture stays as stored, unless a valid orientation comes first."""
    truth = picture()
    jpeg = encode(truth, "JPEG", quality=95)
    turned = encode(stored_for(truth, 6), "JPEG", quality=95)
    whole = exif_block(6)
    ignored = {
        "zero": exif_block(0),
        "nine": exif_block(9),
        "huge": exif_block(65535),
        "two_values": exif_block(6, count=2),
        "as_bytes": exif_block(6, kind=1),
        "no_order": b"XX" + whole[2:],
        "no_magic": patched(whole, 2, b"\0\0"),
        "only_prefix": b"",
        "cut_in_head": whole[:7],
        "cut_in_entries": whole[:18],
        "offset_beyond": patched(whole, 4, struct.pack("<I", 5000)),
        "offset_huge": patched(whole, 4, b"\xff\xff\xff\xff"),
        "offset_itself": patched(whole, 4, b"\0\0\0\0"),
        "too_many_entries": patched(whole, 8, b"\xff\xff"),
        "noise": rng.bytes(300),
    }
    for name, block in ignored.items():
        yield f"exif_{name}", ".jpg", with_exif(jpeg, block), truth, LOSSY
    followed = {
        "next_directory_loops": whole[:-4] + struct.pack("<I", 8),
        "as_long": exif_block(6, kind=4),
        "as_long_big": exif_block(6, ">", kind=4),
        "behind_others": exif_block(6, extra=40),
    }
    for name, block in followed.items():
        yield f"exif_{name}", ".jpg", with_exif(turned, block), truth, LOSSY
    exif, other = segment(0xE1, b"Exif\0\0" + whole), segment(0xE1, b"Exif\0\0" + exif_block(3))
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
    yield "exif_behind_xmp", ".jpg", with_segments(turned, xmp, exif), truth, LOSSY
    yield "exif_twice", ".jpg", with_segments(turned, exif, other), truth, LOSSY
    beyond = b"\xff\xe1\xff\xffExif\0\0" + whole
    yield "exif_longer_than_file", ".jpg", with_segments(jpeg, beyond), "truncated", 0


def _pngs(rng: np.random.Generator) -> Iterator[Entry]:
    truth = picture()
    alpha = rng.integers(0, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    rgba = np.concatenate([truth, alpha], axis=2)
    yield "png", ".png", encode(truth, "PNG"), truth, 0
    yield "png_alpha", ".png", encode(rgba, "PNG"), on_white(rgba), 0
    grey = truth[:, :, 0]
    grey_alpha = np.concatenate([grey[:, :, np.newaxis], alpha], axis=2)
    white_grey = on_white(np.concatenate([grey_rgb(grey), alpha], axis=2))
    for depth in (1, 2, 4, 8, 16):
        samples = (grey.astype(np.int64) * 257) >> (16 - depth)
        shown = samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)
        clear = int(samples[5, 20])
        holes = np.where(samples == clear, 255, shown)
        trns = chunk(b"tRNS", struct.pack(">H", clear))
        yield f"png_grey_{depth}", ".png", png(samples[..., np.newaxis], depth, 0), grey_rgb(shown), 0
        yield f"png_grey_{depth}_trns", ".png", png(samples[..., np.newaxis], depth, 0, trns), grey_rgb(holes), 0
    wide = truth.astype(np.int64) * 256 + rng.integers(0, 256, truth.shape)
    yield "png_16", ".png", png(wide, 16, 2), truth, 0
    wide_alpha = np.concatenate([wide, alpha.astype(np.int64) * 256 + 77], axis=2)
    yield "png_16_alpha", ".png", png(wide_alpha, 16, 6), on_white(rgba), 0
    yield "png_grey_alpha", ".png", png(grey_alpha.astype(np.int64), 8, 4), white_grey, 0
    yield "png_interlaced", ".png", png(truth.astype(np.int64), 8, 2, interlaced=True), truth, 0
    yield "png_interlaced_1x1", ".png", png(truth[:1, :1].astype(np.int64), 8, 2, interlaced=True), truth[:1, :1], 0
    yield "png_rgb_trns", ".png", png(truth.astype(np.int64), 8, 2, chunk(b"tRNS", bytes(5) + b"\xc8")), truth_hole(), 0
    for depth in (1, 2, 4, 8):
        palette = rng.integers(0, 256, (2**depth, 4), dtype=np.uint8)
        indices = rng.integers(0, 2**depth, (HEIGHT, WIDTH, 1))
        plte, trns = chunk(b"PLTE", palette[:, :3].tobytes()), chunk(b"tRNS", palette[:, 3].tobytes())
        yield f"png_palette_{depth}", ".png", png(indices, depth, 3, plte), palette[indices[..., 0], :3], 0
        white = on_white(palette[indices[..., 0]])
        yield f"png_palette_{depth}_trns", ".png", png(indices, depth, 3, plte, trns), white, 0
        early = png(indices, depth, 3, trns, plte)
        yield f"png_palette_{depth}_trns_early", ".png", early, palette[indices[..., 0], :3], 0
    animated = encode(truth, "PNG", save_all=True, append_images=[Image.fromarray(255 - truth)])
    yield "png_animated", ".png", animated, truth, 0
    many = [chunk(b"tEXt", b"k\0v")] * 3000
    yield "png_endless_chunks", ".png", png(truth.astype(np.int64), 8, 2, *many), "corrupt", 0


def truth_hole() -> np.ndarray:
    """The picture with its one colour (0, 0, 200) on white."""
    truth = picture()
    return np.where((truth == (0, 0, 200)).all(axis=2, keepdims=True), np.uint8(255), truth)


def _gifs() -> Iterator[Entry]:
    image = Image.fromarray(picture()).quantize(64)
    truth = truth_of(image)
    indices = np.asarray(image)
    gif = encode_image(image, "GIF", interlace=0)
    yield "gif", ".gif", gif, truth, 0
    yield "gif_interlaced", ".gif", encode_image(image, "GIF", interlace=1), truth, 0
    hole = int(indices[HEIGHT // 2, WIDTH // 2])
    holed = np.where((indices == hole)[..., np.newaxis], np.uint8(255), truth)
    yield "gif_transparent", ".gif", encode_image(image, "GIF", transparency=hole, interlace=0), holed, 0
    others = [image.transpose(Image.Transpose.ROTATE_180)] * 3
    yield "gif_animated", ".gif", encode_image(image, "GIF", save_all=True, append_images=others), truth, 0
    # A canvas one row and two columns larger than its only frame, which then lies 2 to the right and 1 down.
    at = gif.index(b"\x2c", 13 + 3 * 64)
    shifted = patched(gif, at + 1, struct.pack("<HH", 2, 1))
    canvas = np.full((HEIGHT + 1, WIDTH + 2, 3), 255, np.uint8)
    canvas[1:, 2:] = truth
    yield "gif_partial", ".gif", patched(shifted, 6, struct.pack("<HH", WIDTH + 2, HEIGHT + 1)), canvas, 0
    frame = gif[at:-1]
    # A second frame that refers to colours its own table of two doesn't have: whoever decodes it fails, and whoever
    # decodes every frame of the next file takes a thousand times the memory.
    beyond = frame[:9] + b"\x80" + bytes(6) + frame[10:]
    yield "gif_second_frame_damaged", ".gif", gif[:-1] + beyond + b";", truth, 0
    yield "gif_1000_frames", ".gif", gif[:-1] + frame * 999 + b";", truth, 0
    comments = b"\x21\xfe" + b"\x01x" * 20_000 + b"\0"
    yield "gif_long", ".gif", gif[:at] + comments + gif[at:], truth, 0
    yield "gif_no_trailer", ".gif", gif[:-1], truth, 0
    yield "gif_no_frame", ".gif", gif[:at] + b";", "corrupt", 0
    yield "gif_no_colours", ".gif", gif[:10] + bytes([gif[10] & 0x7F]) + gif[11:13] + gif[at:], "corrupt", 0
    yield "gif_odd_block", ".gif", gif[:at] + b"\x99" + gif[at:], "corrupt", 0
    yield (
        "gif_pixels_missing",
        ".gif",
        gif[: len(gif) // 2] + b"\0;",
        ("corrupt", "truncated")[gif[len(gif) // 2] > 0],
        0,
    )


def _bmps() -> Iterator[Entry]:
    truth = picture(HEIGHT, WIDTH + 1)
    yield "bmp", ".bmp", bmp(truth), truth, 0
    yield "bmp_pillow", ".bmp", encode(truth, "BMP"), truth, 0
    yield "bmp_top_down", ".bmp", bmp(truth, top_down=True), truth, 0
    yield "bmp_32", ".bmp", bmp(truth, bits=32), truth, 0
    yield "bmp_v5", ".bmp", bmp(truth, header_bytes=124), truth, 0
    yield "bmp_no_last_padding", ".bmp", bmp(truth, top_down=True)[:-1], truth, 0
    palette = Image.fromarray(truth).quantize(32)
    yield "bmp_palette", ".bmp", encode_image(palette, "BMP"), truth_of(palette), 0
    grey = truth[:, :, 0]
    yield "bmp_grey", ".bmp", encode(grey, "BMP"), grey_rgb(grey), 0
    yield (
        "bmp_1_bit",
        ".bmp",
        encode(np.where(grey > 99, 255, 0).astype(np.uint8), "BMP", "1"),
        grey_rgb(np.where(grey > 99, 255, 0)),
        0,
    )
    core = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + struct.pack("<IHHHH", 12, 53, HEIGHT, 1, 24) + bmp(truth)[54:]
    yield "bmp_os2", ".bmp", core, truth, 0
    yield "bmp_no_width", ".bmp", patched(bmp(truth), 18, bytes(4)), "corrupt", 0
    yield "bmp_negative_width", ".bmp", patched(bmp(truth), 18, b"\xff\xff\xff\xff"), "corrupt", 0
    yield "bmp_lowest_height", ".bmp", patched(bmp(truth), 22, b"\0\0\0\x80"), "truncated", 0
    yield "bmp_pixels_in_header", ".bmp", patched(bmp(truth), 10, bytes(4)), "corrupt", 0
    yield "bmp_pixels_beyond", ".bmp", patched(bmp(truth), 10, b"\xff\xff\xff\xff"), "truncated", 0


def _webps() -> Iterator[Entry]:
    truth = picture()
    rgba = np.concatenate([truth, truth[:, ::-1, :1]], axis=2)
    opaque = np.concatenate([truth, np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=2)
    yield "webp", ".webp", encode(truth, "WEBP", quality=95), truth, LOSSY
    lossless = encode(truth, "WEBP", lossless=True)
    yield "webp_lossless", ".webp", lossless, truth, 0
    yield "webp_alpha", ".webp", encode(rgba, "WEBP", lossless=True, exact=True), on_white(rgba), 0
    yield "webp_alpha_lossy", ".webp", encode(rgba, "WEBP", quality=95), on_white(rgba), LOSSY
    yield "webp_opaque_alpha", ".webp", encode(opaque, "WEBP", lossless=True), truth, 0
    others = [Image.fromarray(255 - truth)]
    animated = encode(truth, "WEBP", lossless=True, save_all=True, append_images=others)
    yield "webp_animated", ".webp", animated, truth, 0
    kind = lossless[20 : 20 + int.from_bytes(lossless[16:20], "little")]
    turned = encode(stored_for(truth, 6), "WEBP", lossless=True)
    body = turned[20 : 20 + int.from_bytes(turned[16:20], "little")]
    extended = bytes([8, 0, 0, 0]) + (HEIGHT - 1).to_bytes(3, "little") + (WIDTH - 1).to_bytes(3, "little")
    bare, prefixed = (b"EXIF", exif_block(6)), (b"EXIF", b"Exif\0\0" + exif_block(6, ">"))
    yield "webp_exif_bare", ".webp", riff((b"VP8X", extended), (b"VP8L", body), bare), truth, 0
    yield "webp_exif_prefixed", ".webp", riff((b"VP8X", extended), (b"VP8L", body), prefixed), truth, 0
    yield "webp_odd_chunk", ".webp", riff((b"ABCD", b"x"), (b"VP8L", kind)), "corrupt", 0


def _tiffs() -> Iterator[Entry]:
    truth = picture()
    rgba = np.concatenate([truth, truth[:, ::-1, :1]], axis=2)
    grey = truth[:, :, 0]
    wide = grey.astype(np.uint16) * 256 + 200
    yield "tiff", ".tif", encode(truth, "TIFF"), truth, 0
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield name, ".tif", encode(truth, "TIFF", compression=name), truth, 0
    yield "tiff_jpeg", ".tif", encode(truth, "TIFF", compression="jpeg", quality=95), truth, LOSSY
    yield "tiff_big", ".tif", encode(truth, "TIFF", big_tiff=True), truth, 0
    yield "tiff_grey", ".tif", encode(grey, "TIFF"), grey_rgb(grey), 0
    yield "tiff_grey_16", ".tif", encode(wide, "TIFF"), grey_rgb(grey), 0
    yield "tiff_alpha", ".tif", encode(rgba, "TIFF"), on_white(rgba), 0
    yield "tiff_cmyk", ".tif", encode(truth, "TIFF", "CMYK"), truth, LOSSY
    palette = Image.fromarray(truth).quantize(32)
    yield "tiff_palette", ".tif", encode_image(palette, "TIFF"), truth_of(palette), 0
    black = np.where(grey > 99, 255, 0).astype(np.uint8)
    yield "tiff_fax", ".tif", encode(black, "TIFF", "1", compression="group4"), grey_rgb(black), 0
    pages = [Image.fromarray(255 - truth)]
    yield "tiff_pages", ".tif", encode(truth, "TIFF", save_all=True, append_images=pages), truth, 0
    yield "tiff_float", ".tif", encode(grey.astype(np.float32), "TIFF"), "unsupported", 0
    yield "tiff_32_bits", ".tif", encode(grey.astype(np.int32), "TIFF"), "unsupported", 0


def _jp2s_and_avifs() -> Iterator[Entry]:
    truth = picture()
    rgba = np.concatenate([truth, truth[:, ::-1, :1]], axis=2)
    grey = truth[:, :, 0]
    yield "jp2", ".jp2", encode(truth, "JPEG2000"), truth, 0
    yield "jp2_codestream", ".j2k", encode(truth, "JPEG2000", no_jp2=True), truth, 0
    yield "jp2_alpha", ".jp2", encode(rgba, "JPEG2000"), on_white(rgba), 0
    yield "jp2_grey", ".jp2", encode(grey, "JPEG2000"), grey_rgb(grey), 0
    yield "jp2_grey_16", ".jp2", encode(grey.astype(np.uint16) * 256 + 200, "JPEG2000"), grey_rgb(grey), 0
    yield "avif", ".avif", encode(truth, "AVIF", quality=95), truth, LOSSY
    yield "avif_alpha", ".avif", encode(rgba, "AVIF", quality=100), on_white(rgba), LOSSY
    yield (
        "avif_animated",
        ".avif",
        encode(truth, "AVIF", quality=95, save_all=True, append_images=[Image.fromarray(255 - truth)]),
        truth,
        LOSSY,
    )


def _wrong_names() -> Iterator[Entry]:
    truth = picture()
    image = Image.fromarray(truth).quantize(64)
    yield "a_png", ".jpg", encode(truth, "PNG"), truth, 0
    yield "a_gif", ".jpg", encode_image(image, "GIF"), truth_of(image), 0
    yield "a_jpeg", ".png", encode(truth, "JPEG", quality=95), truth, LOSSY
    yield "a_bmp", ".jpeg", bmp(truth), truth, 0
    yield "a_webp", ".jpg", encode(truth, "WEBP", lossless=True), truth, 0
    yield "a_tiff", ".jpg", encode(truth, "TIFF"), truth, 0
    yield "an_avif", ".jpg", encode(truth, "AVIF", quality=95), truth, LOSSY
    yield "a_jpeg_without", "", encode(truth, "JPEG", quality=95), truth, LOSSY


def _small_and_long() -> Iterator[Entry]:
    for height, width in ((1, 1), (1, 3000), (3000, 1), (2, 65_500)):
        truth = picture(height, width)
        name = f"size_{height}x{width}"
        yield name, ".jpg", encode(truth, "JPEG", quality=100, subsampling="4:4:4"), truth, LOSSY
        yield name, ".png", encode(truth, "PNG"), truth, 0
        yield name, ".bmp", bmp(truth), truth, 0
        yield name, ".tif", encode(truth, "TIFF"), truth, 0
    for kind, extension in (("GIF", ".gif"), ("WEBP", ".webp"), ("JPEG2000", ".jp2"), ("AVIF", ".avif")):
        options = {"lossless": True} if kind == "WEBP" else {}
        yield "size_1x1", extension, encode(picture(1, 1), kind, **options), picture(1, 1), LOSSY


def _cut() -> Iterator[Entry]:
    truth = picture(90, 120)
    files = {
        ".jpg": (encode(truth, "JPEG"), (4, 40, 0.5, 0.9, -4)),
        ".progressive.jpg": (encode(truth, "JPEG", progressive=True), (0.5, -4)),
        ".cmyk.jpg": (encode(truth, "JPEG", "CMYK"), (40, 0.5, -4)),
        ".png": (encode(truth, "PNG"), (8, 30, 40, 0.5, -12, -1)),
        ".gif": (encode(truth, "GIF"), (8, 100, 0.5, 0.9, -2)),
        ".bmp": (bmp(truth), (20, 50, 0.5, -1)),
        ".webp": (encode(truth, "WEBP", lossless=True), (13, 22, 0.5, -1)),
        ".tif": (encode(truth, "TIFF"), (6, 30, 0.5, -1)),
        ".lzw.tif": (encode(truth, "TIFF", compression="tiff_lzw"), (0.5, -1)),
        ".jp2": (encode(truth, "JPEG2000"), (30, 0.5, -1)),
        ".j2k": (encode(truth, "JPEG2000", no_jp2=True), (30, 0.5, -1)),
        ".avif": (encode(truth, "AVIF"), (30, 0.3, 0.5, 0.9, -1)),
    }
    for extension, (data, places) in files.items():
        for place, part in cuts(data, places):
            yield f"cut_{place}", extension, part, "truncated", 0


def _bombs() -> Iterator[Entry]:
    truth = picture()
    jpeg, cmyk = encode(truth, "JPEG"), encode(truth, "JPEG", "CMYK")
    huge = struct.pack(">HH", 60_000, 60_000)
    reason = "too_many_pixels"
    yield "bomb", ".jpg", patched(jpeg, frame_at(jpeg) + 5, huge), reason, 0
    yield "bomb_cmyk", ".jpg", patched(cmyk, frame_at(cmyk) + 5, huge), reason, 0
    yield "bomb", ".png", png_with_size(100_000, 100_000), reason, 0
    yield "bomb_huge", ".png", png_with_size(2**31 - 1, 2**31 - 1), reason, 0
    yield "bomb_long", ".png", encode(np.zeros((1, 70_000, 3), np.uint8), "PNG"), reason, 0
    yield "bomb_gif", ".gif", patched(encode(truth, "GIF"), 6, b"\xff\xff\xff\xff"), reason, 0
    wide = patched(bmp(truth), 18, struct.pack("<ii", 2**30, 2**30))
    yield "bomb_palette", ".bmp", patched(wide, 28, struct.pack("<H", 8)), reason, 0
    extended = bytes([0x10, 0, 0, 0]) + b"\xff" * 6
    yield "bomb", ".webp", riff((b"VP8X", extended), (b"VP8 ", b"x")), reason, 0
    tiff = encode(truth, "TIFF")
    at = int.from_bytes(tiff[4:8], "little") + 2
    sides = {256: 100_000, 257: 100_000}
    for place in range(at, at + 12 * int.from_bytes(tiff[at - 2 : at], "little"), 12):
        tag = int.from_bytes(tiff[place : place + 2], "little")
        if tag in sides:
            tiff = patched(tiff, place + 2, struct.pack("<HII", 4, 1, sides[tag]))
    yield "bomb", ".tif", tiff, reason, 0
    jp2 = encode(truth, "JPEG2000")
    jp2 = patched(jp2, jp2.index(b"ihdr") + 4, struct.pack(">II", 60_000, 60_000))
    yield "bomb", ".jp2", jp2, reason, 0
    avif = encode(truth, "AVIF")
    avif = patched(avif, avif.index(b"ispe") + 8, struct.pack(">II", 16_000, 16_000))
    yield "bomb", ".avif", avif, reason, 0


def _no_images(rng: np.random.Generator) -> Iterator[Entry]:
    yield "empty", ".jpg", b"", "empty", 0
    files = {
        "one_byte": b"\xff",
        "zeros": bytes(5000),
        "noise": b"\x01" + rng.bytes(5000),
        "text": b"This is a text and no photograph.\n" * 20,
        "text_bm": b"BM is how this text begins, which is no bitmap.\n" * 20,
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "json": b'{"error": "access denied"}',
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "zip": b"PK\x03\x04" + bytes(100),
        "utf16": "\ufeffplain text".encode("utf-16"),
    }
    for name, data in files.items():
        yield name, ".jpg", data, "not_an_image", 0
    known = {
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "heif": b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(100),
        "jxl": b"\xff\x0a" + bytes(100),
        "jxl_box": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100),
        "psd": b"8BPS\0\x01" + bytes(100),
        "ico": b"\0\0\x01\0\x01\0" + bytes(100),
    }
    for name, data in known.items():
        yield name, ".jpg", data, "unsupported", 0


def _damaged() -> Iterator[Entry]:
    truth = picture()
    jpeg = encode(truth, "JPEG")
    at = frame_at(jpeg)
    yield "damaged_no_frame", ".jpg", jpeg[:at] + jpeg[jpeg.index(b"\xff\xda") :], "corrupt", 0
    yield "damaged_no_height", ".jpg", patched(jpeg, at + 5, bytes(2)), "corrupt", 0
    yield "damaged_no_components", ".jpg", patched(jpeg, at + 9, b"\0"), "unsupported", 0
    yield "damaged_sampling", ".jpg", patched(jpeg, at + 11, b"\xff"), "corrupt", 0
    yield "damaged_two_frames", ".jpg", jpeg[:at] + jpeg[at : at + 19] * 2 + jpeg[at + 19 :], "corrupt", 0
    tables = jpeg.index(b"\xff\xc4")
    yield "damaged_huffman", ".jpg", patched(jpeg, tables + 5, b"\xff" * 16), "corrupt", 0
    yield "damaged_no_frame_at_all", ".jpg", b"\xff\xd8\xff\xd9" + bytes(9), "corrupt", 0
    data = encode(truth, "PNG")
    middle = data.index(b"IDAT") + 40
    yield "damaged_pixels", ".png", patched(data, middle, bytes([data[middle] ^ 1])), "corrupt", 0
    yield "damaged_header", ".png", patched(data, 24, b"\x07"), "corrupt", 0
    yield "damaged_no_pixels", ".png", data[: data.index(b"IDAT") - 4] + chunk(b"IEND", b""), "corrupt", 0
    yield "damaged_no_width", ".png", png_with_size(5, 0), "corrupt", 0
    yield "damaged_too_short", ".png", png_with_size(500, 500), "corrupt", 0
    trns = patched(chunk(b"tRNS", b"\x80"), 8, b"\x81")
    plte = chunk(b"PLTE", bytes(48))
    yield "damaged_trns", ".png", png(np.zeros((9, 9, 1), np.int64), 4, 3, plte, trns), "corrupt", 0
    webp = encode(truth, "WEBP", lossless=True)
    yield "damaged", ".webp", patched(webp, 26, b"\xff" * 60), "corrupt", 0
    gif = encode(truth, "GIF")
    start = gif.index(b"\x2c", 13 + 3 * 256) + 12
    yield "damaged", ".gif", patched(gif, start, b"\xff" * 60), "corrupt", 0
    yield (
        "damaged_directory",
        ".tif",
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 3, 1, 9) + bytes(4),
        "corrupt",
        0,
    )
    tiff = encode(truth, "TIFF", compression="tiff_adobe_deflate")
    yield "damaged_strip", ".tif", patched(tiff, 12, b"\xff" * 40), "corrupt", 0
    jp2 = encode(truth, "JPEG2000", no_jp2=True)
    yield "damaged", ".j2k", patched(jp2, 6, b"\xff" * 30), "corrupt", 0
    avif = encode(truth, "AVIF")
    yield "damaged", ".avif", patched(avif, avif.index(b"mdat") + 4, b"\xff" * 60), "corrupt", 0


def _trailing(rng: np.random.Generator) -> Iterator[Entry]:
    truth, noise = picture(), rng.bytes(3000)
    for data, extension, tolerance in (
        (encode(truth, "JPEG", quality=95), ".jpg", LOSSY),
        (encode(truth, "PNG"), ".png", 0),
        (bmp(truth), ".bmp", 0),
        (encode(truth, "WEBP", lossless=True), ".webp", 0),
        (encode(truth, "TIFF"), ".tif", 0),
        (encode(truth, "JPEG2000"), ".jp2", 0),
        (encode(truth, "AVIF", quality=95), ".avif", LOSSY),
    ):
        yield "trailing", extension, data + noise, truth, tolerance
    jpeg = encode(truth, "JPEG", quality=95)
    yield "trailing_another", ".jpg", jpeg + encode(255 - truth, "JPEG"), truth, LOSSY
    image = Image.fromarray(truth).quantize(64)
    yield "trailing", ".gif", encode_image(image, "GIF") + noise, truth_of(image), 0
