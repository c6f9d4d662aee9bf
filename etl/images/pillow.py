"""Decodes with Pillow what the graph refuses: CMYK, TIFF, AVIF, JPEG 2000, transparent GIF and WebP, and the like."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from etl.images import tiff
from etl.images.gif import FirstFrame, find_first_frame
from etl.images.header import Flaw, ImageHeader, broken, check_pixels
from etl.images.truncation import is_truncated

# All that Pillow 12's plugins were seen or are documented to raise on damaged files. They validate little: a flipped
# bit surfaces as whatever the next line of Python makes of it.
_DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Warning,  # where the interpreter was told to raise them
)

_PLUGINS: Mapping[str, type[ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
}

# BMP's number for runs of 4-bit pixels: Pillow loses the last of each odd group of literal ones.
_RLE4 = 2


def decode_rgb(data: bytes, header: ImageHeader, max_pixels: int) -> np.ndarray:
    """Decodes one image file to upright RGB pixels with Pillow.

    Args:
        data: A whole file.
        header: What `sniff` said of it.
        max_pixels: The largest height times width accepted; checked before any decoding.

    Returns:
        uint8, (height, width, 3), 0-255; what is see-through is on white.

    Raises:
        RecordError: truncated, corrupt, unsupported or too_many_pixels.
    """
    if is_truncated(data, header.format):
        raise broken(Flaw.TRUNCATED, f"the {header.format.upper()} ends before its last pixel")
    page = tiff.check(data, max_pixels) if header.format == "tiff" else {}
    frame = find_first_frame(data) if header.format == "gif" else None
    if frame is not None:
        # Pillow heeds every one, the format only the last.
        for start, end in reversed(frame.overridden):
            data = data[:start] + data[end:]
    # Our own limit stands in for Pillow's, which would warn at a size that the operator may have allowed.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with _open(data, header.format) as image:
            check_pixels(image.height, image.width, max_pixels)
            if image.info.get("compression") == _RLE4 and header.format == "bmp":
                raise broken(Flaw.UNSUPPORTED, "a BMP in RLE4, of which decoders lose pixels")
            if header.flaw is Flaw.CMYK_JPEG and "adobe" not in image.info:
                raise broken(Flaw.UNSUPPORTED, "a CMYK JPEG without Adobe's marker: is 0 or 255 full ink?")
            entries = _palette_entries(image) if header.format == "bmp" else 256
            image.load()
            if image.mode == "P" and np.asarray(image).max() >= entries:
                raise broken(Flaw.CORRUPT, f"BMP: pixels refer to colours behind the {entries} of the palette")
            upright = ImageOps.exif_transpose(image) if header.format in ("tiff", "avif", "jp2") else image
            pixels = _to_rgb(upright, header, page.get(tiff.BITS, (16,))[0])
    except _DAMAGES as error:
        raise _explain(error, header) from error
    if frame is not None:
        pixels = _uncover(pixels, frame)
    return turn(pixels, header.orientation)


def _open(data: bytes, file_format: str) -> ImageFile:
    """Reads a file's header with one plugin; `Image.open` would hide why it couldn't."""
    return _PLUGINS[file_format](io.BytesIO(data))


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns pixels as their EXIF orientation asks.

    Args:
        pixels: (H, W, …), as stored.
        orientation: 1-8.

    Returns:
        The same values upright; H and W are exchanged for 5-8.
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _palette_entries(image: ImageFile) -> int:
    """Counts the colours of a palette as the file has it; none or all where the image has no palette."""
    palette = image.palette
    return len(palette.palette) // len(palette.rawmode) if palette and palette.rawmode else 256


def _to_rgb(image: Image.Image, header: ImageHeader, bits: int) -> np.ndarray:
    """Converts any of Pillow's modes; `bits` are those of a grey image of more than 8."""
    if image.mode.startswith("I;16"):
        return _high_byte(image, bits)
    if image.mode in ("I", "F"):
        raise broken(Flaw.UNSUPPORTED, f"{header.format.upper()} pixels of 32 bits have no known range")
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        # Many writers of BMPs leave the fourth byte at 0 and mean opaque.
        is_left_out = header.format == "bmp" and not rgba[..., 3].any()
        return rgba[..., :3] if is_left_out else _on_white(rgba)
    return np.asarray(image.convert("RGB"))


def _high_byte(image: Image.Image, bits: int) -> np.ndarray:
    """Keeps the upper 8 bits of a grey image of 9 to 16, as libpng does."""
    grey = (np.asarray(image).astype(np.uint16) >> (bits - 8)).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """Puts uint8 RGBA on white, with the graph's own arithmetic."""
    wide = pixels.astype(np.uint16)
    colour, alpha = wide[..., :3], wide[..., 3:]
    total = colour * alpha + 255 * (255 - alpha) + 128
    return ((total + (total >> 8)) >> 8).astype(np.uint8)


def _uncover(pixels: np.ndarray, frame: FirstFrame) -> np.ndarray:
    """Whitens what a GIF's first frame leaves of the canvas: nothing was ever drawn there."""
    rows, columns = slice(frame.top, frame.top + frame.rows), slice(frame.left, frame.left + frame.columns)
    result = np.full_like(pixels, 255)
    result[rows, columns] = pixels[rows, columns]
    return result


def _explain(error: BaseException, header: ImageHeader) -> Exception:
    """Names the reason for what a plugin raised."""
    text = " ".join(str(error).split()) or type(error).__name__
    # The second is said of BMPs in RLE: their codes end early, or jump over pixels.
    if "truncated" in text or "not enough image data" in text:
        return broken(Flaw.TRUNCATED, f"{header.format.upper()}: {text}")
    if "support" in text.lower() or "unknown" in text.lower():
        return broken(Flaw.UNSUPPORTED, f"{header.format.upper()}: {text}")
    return broken(Flaw.CORRUPT, f"{header.format.upper()}: {text}")
