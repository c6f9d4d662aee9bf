"""Reads a TIFF's directories and tells whether Pillow decodes its first image right.

Pillow takes many forms of TIFF, and some of them wrong without a word. What may pass was held against second decoders;
all else is rejected with the reason.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from etl.images import jpeg
from etl.images.header import Flaw, broken, check_pixels

# Tags.
SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR = 266, 273, 277, 278, 279, 284, 317
COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, SUB_IFDS = 320, 322, 323, 324, 325, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES, DNG_VERSION = 338, 339, 347, 50706

UNCOMPRESSED, JPEG = 1, 7
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
ASSOCIATED, UNASSOCIATED = 1, 2
_RAW_COLOURS = (32803, 34892)  # a colour filter array, linear raw
_FAX = (2, 3, 4)
# LZW, two numbers for Deflate, LZMA, Zstandard: with others decoders disagree over a predictor.
_DEFLATED = (8, 32946)
_PREDICTED = (5, *_DEFLATED, 34925, 50000)
_PACK_BITS = 32773
_COMPRESSIONS = (UNCOMPRESSED, JPEG, *_FAX, _PACK_BITS, *_PREDICTED)
_FORMATS = {2: "signed", 3: "float", 4: "undefined", 5: "complex", 6: "complex"}
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}

# `struct`'s letters for the types of whole numbers, and the bytes of all types.
_LETTERS = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
# Tags up to this describe the pixels; those above are about camera and author, and their loss costs no pixel.
_LAST_PIXEL_TAG = 532
# Inflated at a time, whatever a strip claims to hold.
_INFLATED_BYTES = 1 << 20
# How many sub-images and pages are looked at.
_MOST_DIRECTORIES = 16

_NAMES = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv"}

Directory = Mapping[int, tuple[int, ...]]


def read_directory(data: bytes, at: int | None = None) -> tuple[Directory, int]:
    """Reads one directory of a TIFF or BigTIFF.

    Args:
        data: A whole file.
        at: Where the directory is; None for the first.

    Returns:
        The whole numbers of each tag that has such, and where the next directory is (0: there is none).

    Raises:
        struct.error: it, or the values of a tag about pixels, are beyond the end.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    number, room, count_letter, entry_bytes = ("Q", 8, "Q", 20) if is_big else ("I", 4, "H", 12)
    if at is None:
        (at,) = struct.unpack_from(order + number, data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + count_letter, data, at)
    start = at + struct.calcsize(order + count_letter)
    if start + count * entry_bytes > len(data):
        raise struct.error("the directory is beyond the end")
    tags: dict[int, tuple[int, ...]] = {}
    for place in range(start, start + count * entry_bytes, entry_bytes):
        tag, kind, length = struct.unpack_from(order + "HH" + number, data, place)
        num_bytes = _TYPE_BYTES.get(kind, 0) * length
        value_at = place + 4 + room
        if num_bytes > room:
            (value_at,) = struct.unpack_from(order + number, data, value_at)
        if value_at + num_bytes > len(data):
            if tag <= _LAST_PIXEL_TAG:
                raise struct.error(f"the values of tag {tag} are beyond the end")
        elif kind in _LETTERS:
            tags.setdefault(tag, struct.unpack_from(f"{order}{length}{_LETTERS[kind]}", data, value_at))
    end = start + count * entry_bytes
    return tags, int(struct.unpack_from(order + number, data, end)[0]) if end + room <= len(data) else 0


def chunks(page: Directory) -> list[tuple[int, int]]:
    """Returns where the strips or tiles of an image are, and their lengths."""
    pairs = ((TILE_OFFSETS, TILE_BYTES), (STRIP_OFFSETS, STRIP_BYTES))
    offsets, lengths = next((pair for pair in pairs if pair[0] in page), pairs[1])
    return list(zip(page.get(offsets, ()), page.get(lengths, ()), strict=False))


def check(data: bytes, max_pixels: int) -> Directory:
    """Finds out whether Pillow decodes the first image of a TIFF right.

    Args:
        data: A whole file that begins as a TIFF.
        max_pixels: The largest height times width accepted.

    Returns:
        Its first directory.

    Raises:
        RecordError: unsupported, with what is unusual about it; truncated, corrupt or too_many_pixels.
    """
    try:
        page, after = read_directory(data)
    except struct.error as error:
        raise broken(Flaw.TRUNCATED, f"TIFF: {error}") from error
    height, width = _first(page, HEIGHT), _first(page, WIDTH)
    if not height or not width:
        raise broken(Flaw.CORRUPT, "TIFF: it has no size")
    check_pixels(height, width, max_pixels)
    _check_is_main(data, page, after)
    problem = "it is a big-endian BigTIFF" if data[:4] == b"MM\0+" else _find_problem(page, is_little=data[:2] == b"II")
    if problem:
        raise broken(Flaw.UNSUPPORTED, f"TIFF: {problem}")
    _check_layout(page)
    if _first(page, COMPRESSION) == JPEG:
        _check_jpegs(data, page)
    if _first(page, COMPRESSION) in _DEFLATED:
        _check_sums(data, page)
    return page


def _check_is_main(data: bytes, page: Directory, after: int) -> None:
    """Rejects files whose first image is not the image: cameras keep a thumbnail there."""
    others = list(_read_others(data, [*page.get(SUB_IFDS, ()), after]))
    if DNG_VERSION in page or any(_first(each, PHOTOMETRIC) in _RAW_COLOURS for each in (page, *others)):
        raise broken(Flaw.UNSUPPORTED, "TIFF: a camera's raw file; develop it to a JPEG or a TIFF first")
    kind = _first(page, SUBFILE_TYPE) or 0
    if kind & 1 or _first(page, OLD_SUBFILE_TYPE) == 2:
        raise broken(Flaw.UNSUPPORTED, "TIFF: the first image is a small copy of another, as in cameras' raw files")
    if kind & 4:
        raise broken(Flaw.UNSUPPORTED, "TIFF: the first image is a mask")
    num_subs = len(page.get(SUB_IFDS, ()))
    if any(_area(each) > _area(page) for each in others[:num_subs]):
        raise broken(Flaw.UNSUPPORTED, "TIFF: a larger image hangs below the first, as in cameras' raw files")


def _read_others(data: bytes, places: list[int]) -> Iterator[Directory]:
    """Yields the directories at some places, and those behind the last of them."""
    queue, seen = places[:_MOST_DIRECTORIES], set[int]()
    while queue and len(seen) < _MOST_DIRECTORIES:
        at = queue.pop(0)
        if not at or at in seen:
            continue
        seen.add(at)
        try:
            page, after = read_directory(data, at)
        except struct.error:
            continue
        yield page
        if not queue:
            queue.append(after)


def _first(page: Directory, tag: int) -> int | None:
    values = page.get(tag)
    return values[0] if values else None


def _area(page: Directory) -> int:
    return (_first(page, WIDTH) or 0) * (_first(page, HEIGHT) or 0)


def _find_problem(page: Directory, *, is_little: bool) -> str:
    """Says what about an image's form is not decoded; "" where nothing is."""
    colours, samples = _first(page, PHOTOMETRIC), _first(page, SAMPLES) or 1
    depths = page.get(BITS, (1,))
    bits, extra = depths[0] if depths else 1, page.get(EXTRA_SAMPLES, ())
    compression, fill_order = _first(page, COMPRESSION) or UNCOMPRESSED, _first(page, FILL_ORDER) or 1
    odd_formats = sorted({_FORMATS.get(each, str(each)) for each in page.get(SAMPLE_FORMAT, ()) if each != 1})
    if colours not in _COLOURS:
        return f"its colours are {_NAMES.get(colours or 0, colours)}"
    if odd_formats:
        return f"its samples are {' and '.join(odd_formats)} numbers of {bits} bits, which have no known range"
    if len(set(depths)) > 1 or len(depths) not in (1, samples):
        return f"its samples have {', '.join(map(str, depths))} bits"
    if bits > 16:
        return f"its samples have {bits} bits, which have no known range"
    if samples != _COLOURS[colours] + len(extra):
        return f"it has {samples} samples a pixel, and does not say what all of them are"
    predictor = _first(page, PREDICTOR) or 1
    if (
        compression not in _COMPRESSIONS
        or predictor not in (1, 2)
        or (predictor == 2 and compression not in _PREDICTED)
    ):
        return f"compression {compression} with predictor {predictor}"
    if colours == PALETTE:
        palette = page.get(COLOUR_MAP, ())
        if len(palette) != 3 << bits or max(palette) < 256:
            return "its palette is missing, too short, or has 8 bits in place of 16"
    planar = _first(page, PLANAR) or 1
    if not _is_usual(colours, bits, extra, planar, compression, is_little) or (
        fill_order == 2 and (bits > 8 or planar == 2 or compression in _DEFLATED)
    ):
        return (
            f"colours {colours} with {bits} bits a sample, extra samples {list(extra)}, planes {planar}, "
            f"compression {compression} and fill order {fill_order}"
        )
    return ""


def _is_usual(colours: int, bits: int, extra: tuple[int, ...], planar: int, compression: int, is_little: bool) -> bool:
    """Tells whether Pillow decodes a form as second decoders do."""
    is_chunky, kind = planar == 1, extra[:1]
    if any(extra[1:]):
        return False
    if colours in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        if kind:
            return colours == BLACK_IS_ZERO and bits == 8 and extra == (UNASSOCIATED,) and is_chunky
        is_packed = bits == 12 and is_little and compression == UNCOMPRESSED
        return bits in (1, 2, 4, 8) or (colours == BLACK_IS_ZERO and (bits == 16 or is_packed))
    if colours == RGB and bits == 16:
        return is_chunky and extra in ((), (0,), (UNASSOCIATED,))
    if colours == RGB and bits == 8:
        return kind in ((), (0,), (ASSOCIATED,), (UNASSOCIATED,)) if is_chunky else extra in ((), (UNASSOCIATED,))
    if colours == PALETTE:
        return bits in (1, 2, 4, 8) and not extra
    return bits == 8 and not extra and (colours == CMYK or (compression == JPEG and is_chunky))


def _check_layout(page: Directory) -> None:
    """Rejects an image whose strips or tiles can't hold it: Pillow would read on in whatever follows."""
    width, height = _first(page, WIDTH) or 0, _first(page, HEIGHT) or 0
    samples, bits, planar = _first(page, SAMPLES) or 1, page.get(BITS, (1,))[0], _first(page, PLANAR) or 1
    is_tiled = TILE_OFFSETS in page and STRIP_OFFSETS not in page
    across = _first(page, TILE_WIDTH) if is_tiled else width
    down = _first(page, TILE_HEIGHT) if is_tiled else min(_first(page, ROWS_PER_STRIP) or height, height)
    if not across or not down:
        raise broken(Flaw.CORRUPT, "TIFF: its tiles have no size")
    found, planes = chunks(page), samples if planar == 2 else 1
    rows = -(-height // down)
    if len(found) != rows * -(-width // across) * planes:
        raise broken(Flaw.CORRUPT, f"TIFF: {len(found)} strips or tiles do not make up the image")
    if (_first(page, COMPRESSION) or UNCOMPRESSED) != UNCOMPRESSED:
        return
    row_bytes = (across * bits * (samples // planes) + 7) // 8
    for number, (_, length) in enumerate(found):
        filled = down if is_tiled else min(down, height - number % rows * down)
        if length < row_bytes * filled:
            raise broken(Flaw.TRUNCATED, "TIFF: a strip or tile is shorter than its pixels")


def _check_jpegs(data: bytes, page: Directory) -> None:
    """Rejects JPEG strips and tiles that end early: libtiff fills up with grey."""
    tables = bytes(page.get(JPEG_TABLES, ()))[:-2] or b"\xff\xd8"
    colours = "CMYK" if _first(page, PHOTOMETRIC) == CMYK else "RGB"
    for start, length in chunks(page):
        if jpeg.decode(tables + data[start + 2 : start + length], colours).pixels is None:
            raise broken(Flaw.UNSUPPORTED, "TIFF: JPEG with an odd header or odd sampling factors")


def _check_sums(data: bytes, page: Directory) -> None:
    """Rejects deflated strips and tiles that fail their checksum, at which libtiff doesn't look."""
    for start, length in chunks(page):
        inflater, rest = zlib.decompressobj(), data[start : start + length]
        try:
            while rest:
                inflater.decompress(rest, _INFLATED_BYTES)
                rest = inflater.unconsumed_tail
        except zlib.error as error:
            raise broken(Flaw.CORRUPT, f"TIFF: a strip or tile does not inflate: {error}") from error
        if not inflater.eof:
            raise broken(Flaw.CORRUPT, "TIFF: a strip or tile does not inflate to its end")
