"""The header of an image, and the names of all that can be wrong with one; shared by `sniff` and the graph."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from etl.errors import RecordError

# In the order of the graph's switch; the index of a name is its branch.
FORMATS = ("jpeg", "png", "gif", "bmp", "webp", "tiff", "avif", "jp2")

RAW = "camera raw"

# In the message of what the graph refuses by name, and `normalise` may decode all the same.
REFUSAL = "cannot be decoded here"

# First bytes of each format in hex, `??` for any byte. BMP's two letters also begin ordinary words, so its header's
# length (bytes 14-17, never over 255) must fit as well.
SIGNATURES: tuple[tuple[str, str], ...] = (
    ("jpeg", "ff d8 ff"),
    ("png", "89 50 4e 47 0d 0a 1a 0a"),
    ("gif", "47 49 46 38 37 61"),
    ("gif", "47 49 46 38 39 61"),
    ("bmp", "42 4d ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? ?? 00 00 00"),
    ("webp", "52 49 46 46 ?? ?? ?? ?? 57 45 42 50"),
    # Cameras' raw files that say so at once. Most others are TIFFs to their first bytes: `tiff` finds them out.
    (RAW, "49 49 2a 00 ?? ?? ?? ?? 43 52"),
    (RAW, "49 49 2a 00 ?? ?? ?? ?? 49 49 49 49"),
    (RAW, "4d 4d 00 2a ?? ?? ?? ?? 4d 4d 4d 4d"),
    (RAW, "49 49 52 4f"),
    (RAW, "49 49 52 53"),
    (RAW, "4d 4d 4f 52"),
    (RAW, "49 49 55 00"),
    (RAW, "49 49 1a 00 00 00 48 45 41 50"),
    (RAW, "00 4d 52 4d"),
    (RAW, "46 4f 56 62"),
    (RAW, "46 55 4a 49 46 49 4c 4d 43 43 44 2d 52 41 57"),
    (RAW, "?? ?? ?? ?? 66 74 79 70 63 72 78 20"),
    ("tiff", "49 49 2a 00"),
    ("tiff", "4d 4d 00 2a"),
    ("tiff", "49 49 2b 00"),
    ("tiff", "4d 4d 00 2b"),
    ("jp2", "00 00 00 0c 6a 50 20 20 0d 0a 87 0a"),
    ("jp2", "ff 4f ff 51"),
    # ISO media brands avif, avis, mif1 and msf1. The last two are also HEIC's: `sniff` looks further.
    ("avif", "?? ?? ?? ?? 66 74 79 70 61 76 69 66"),
    ("avif", "?? ?? ?? ?? 66 74 79 70 61 76 69 73"),
    ("avif", "?? ?? ?? ?? 66 74 79 70 6d 69 66 31"),
    ("avif", "?? ?? ?? ?? 66 74 79 70 6d 73 66 31"),
    # Known, so that the message can name them, but decoded by nothing here.
    ("HEIC", "?? ?? ?? ?? 66 74 79 70 68 65 69"),
    ("HEIC", "?? ?? ?? ?? 66 74 79 70 68 65 76"),
    ("JPEG XL", "ff 0a"),
    ("JPEG XL", "00 00 00 0c 4a 58 4c 20"),
    ("Photoshop", "38 42 50 53"),
    ("icon", "00 00 01 00"),
    ("OpenEXR", "76 2f 31 01"),
    *((f"PNM (P{kind})", f"50 3{kind} 0a") for kind in range(1, 8)),
)

# The longest side, in pixels, that libjpeg writes. One limit for every format: whatever is read can be stored.
MAX_SIDE = 65_500

# Height times width, 89 million: Pillow's own limit, 256 MiB as RGB. No image in use is larger.
DEFAULT_MAX_PIXELS = 178_956_970 // 2

# How many segments or chunks before the pixels are walked through. The graph serves strangers' requests, and a loop
# there costs about 20 µs a step; images have fewer than 100, and libpng keeps no more than 1,000.
MAX_SEGMENTS = 1_024

# How many blocks of at most 255 bytes the first frame of a GIF may take for TensorFlow to decode it: 4 MB.
MAX_GIF_BLOCKS = 16_384

# How many chunks of a WebP are searched for EXIF; the format defines seven kinds.
MAX_WEBP_CHUNKS = 64


class Flaw(enum.IntEnum):
    """Why a file can't be decoded, or not by TensorFlow. The graph computes the number, Python raises by it."""

    NONE = 0
    NOT_AN_IMAGE = enum.auto()
    TRUNCATED = enum.auto()
    CORRUPT = enum.auto()
    UNSUPPORTED = enum.auto()
    TOO_MANY_PIXELS = enum.auto()
    CMYK_JPEG = enum.auto()
    DEEP_JPEG = enum.auto()
    ODD_JPEG = enum.auto()
    ARITHMETIC_JPEG = enum.auto()
    LOSSLESS_JPEG = enum.auto()
    HIERARCHICAL_JPEG = enum.auto()
    GIF = enum.auto()
    ODD_BMP = enum.auto()
    ODD_WEBP = enum.auto()
    WEBP = enum.auto()
    TIFF = enum.auto()
    AVIF = enum.auto()
    JP2 = enum.auto()
    ODD_TIFF = enum.auto()
    ODD_AVIF = enum.auto()
    ODD_JP2 = enum.auto()

    @property
    def reason(self) -> str:
        """The reason of `errors.REASONS` for a flaw that nothing mends, else ""."""
        return self.name.lower() if Flaw.NONE < self <= Flaw.TOO_MANY_PIXELS else ""

    @property
    def message(self) -> str:
        """One sentence for a person: what it is, and for what the graph refuses also how to mend it.

        Without apostrophes: TensorFlow's errors would show them escaped.
        """
        if self.reason:
            return f"{self.reason}: {_BROKEN[self]}"
        name = _REFUSED.get(self, "")
        return f"{name} {REFUSAL}; convert it to a JPEG in RGB first" if name else ""


_BROKEN = {
    Flaw.NOT_AN_IMAGE: "the first bytes are of no image format known here",
    Flaw.TRUNCATED: "the file ends before its last pixel",
    Flaw.CORRUPT: "the header contradicts itself",
    Flaw.UNSUPPORTED: "an image format that nothing here decodes",
    Flaw.TOO_MANY_PIXELS: "more pixels than the limit",
}

# What Pillow decodes and TensorFlow doesn't, or not to the same pixels.
_REFUSED = {
    Flaw.CMYK_JPEG: "a CMYK JPEG",
    Flaw.DEEP_JPEG: "a JPEG of other than 8 bits a sample",
    Flaw.ODD_JPEG: "a JPEG of neither 1 nor 3 components",
    Flaw.ARITHMETIC_JPEG: "an arithmetic-coded JPEG",
    Flaw.LOSSLESS_JPEG: "a lossless JPEG",
    Flaw.HIERARCHICAL_JPEG: "a hierarchical JPEG",
    Flaw.GIF: "a GIF",
    Flaw.ODD_BMP: "a BMP with a palette, masks or compression",
    Flaw.ODD_WEBP: "a WebP with alpha, animation or metadata",
    Flaw.WEBP: "a WebP (by this release of TensorFlow)",
    Flaw.TIFF: "a TIFF",
    Flaw.AVIF: "an AVIF",
    Flaw.JP2: "a JPEG 2000",
    # With tensorflow-io beside TensorFlow.
    Flaw.ODD_TIFF: "a TIFF other than upright, uncompressed 8-bit RGB or grey in one strip",
    Flaw.ODD_AVIF: "an AVIF other than upright, 8-bit and grey or 4:4:4",
    Flaw.ODD_JP2: "a JPEG 2000 other than 8-bit RGB or grey in one tile of a small JP2 file",
}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the first bytes of an image file tell.

    Attributes:
        format: One of `FORMATS`.
        height: Rows as stored, before EXIF turns them; None for TIFF, AVIF and JPEG 2000.
        width: Columns as stored, likewise.
        components: Of a JPEG: 1 grey, 3 colour, 4 CMYK; None for other formats.
        orientation: EXIF orientation, 1-8, of JPEG, PNG and WebP; 1 for formats that Pillow turns itself.
        plain: A JPEG of 8 bits, 1 or 3 components and orientation 1, which every decoder reads alike: it passes
            through untouched.
        flaw: Why TensorFlow's operations don't give its pixels, `Flaw.NONE` where they do. The graph refuses, besides,
            all GIFs and all WebPs of several chunks: it would have to walk through them.
    """

    format: str
    height: int | None = None
    width: int | None = None
    components: int | None = None
    orientation: int = 1
    plain: bool = False
    flaw: Flaw = Flaw.NONE


def broken(flaw: Flaw, message: str) -> RecordError:
    """Makes the error for a file that nothing can decode.

    Args:
        flaw: One with a `reason`.
        message: What was wrong, for a person.
    """
    return RecordError("", flaw.reason, message)


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Raises `RecordError` where an image of this size must not be decoded.

    Args:
        height: Rows.
        width: Columns.
        max_pixels: The largest height times width accepted.
    """
    if height * width > max_pixels:
        raise broken(Flaw.TOO_MANY_PIXELS, f"{height}x{width} is {height * width} pixels, the limit is {max_pixels}")
    if max(height, width) > MAX_SIDE:
        raise broken(Flaw.TOO_MANY_PIXELS, f"{height}x{width} has a side over {MAX_SIDE}, the longest of a JPEG")
