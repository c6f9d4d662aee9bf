"""Headers, read in pure Python."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl.errors import REASONS, RecordError
from etl.images.exif import parse_orientation
from etl.images.gif import find_first_frame
from etl.images.header import (
    FORMATS,
    MAX_GIF_BLOCKS,
    MAX_SEGMENTS,
    MAX_SIDE,
    SIGNATURES,
    Flaw,
    ImageHeader,
    check_pixels,
)
from etl.images.sniff import sniff
from etl.images.truncation import is_truncated
from tests.etl.images.drawing import (
    HEIGHT,
    WIDTH,
    bmp,
    encode,
    exif_block,
    frame_at,
    patched,
    picture,
    segment,
    with_exif,
    with_segments,
)

TRUTH = picture()
JPEG = encode(TRUTH, "JPEG")


@pytest.mark.parametrize(
    ("kind", "name"), [("JPEG", "jpeg"), ("PNG", "png"), ("GIF", "gif"), ("BMP", "bmp"), ("WEBP", "webp")]
)
def test_formats_with_a_size(kind: str, name: str) -> None:
    header = sniff(encode(TRUTH, kind))
    assert (header.format, header.height, header.width, header.orientation) == (name, HEIGHT, WIDTH, 1)
    assert header.flaw is Flaw.NONE
    assert header.plain is (name == "jpeg")


@pytest.mark.parametrize(
    ("kind", "name", "flaw"),
    [("TIFF", "tiff", Flaw.TIFF), ("AVIF", "avif", Flaw.AVIF), ("JPEG2000", "jp2", Flaw.JP2)],
)
def test_formats_that_only_pillow_decodes(kind: str, name: str, flaw: Flaw) -> None:
    assert sniff(encode(TRUTH, kind)) == ImageHeader(name, flaw=flaw)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_eight_orientations(orientation: int, order: str) -> None:
    header = sniff(with_exif(JPEG, exif_block(orientation, order, extra=2)))
    assert header.orientation == orientation
    assert header.plain is (orientation == 1)
    # As stored: the header's size is the one before turning.
    assert (header.height, header.width) == (HEIGHT, WIDTH)


def test_a_jpeg_is_plain_with_one_or_three_components_of_8_bits() -> None:
    assert sniff(encode(TRUTH[..., 0], "JPEG")) == ImageHeader("jpeg", HEIGHT, WIDTH, 1, 1, True)
    assert sniff(encode(TRUTH, "JPEG", progressive=True)) == ImageHeader("jpeg", HEIGHT, WIDTH, 3, 1, True)
    cmyk = sniff(encode(TRUTH, "JPEG", "CMYK"))
    assert (cmyk.plain, cmyk.components, cmyk.flaw) == (False, 4, Flaw.CMYK_JPEG)
    deep = sniff(patched(JPEG, frame_at(JPEG) + 4, b"\x0c"))
    assert (deep.plain, deep.flaw) == (False, Flaw.DEEP_JPEG)


@pytest.mark.parametrize(
    ("marker", "flaw"),
    [
        (0xC1, Flaw.NONE),
        (0xC2, Flaw.NONE),
        (0xC3, Flaw.LOSSLESS_JPEG),
        (0xC5, Flaw.HIERARCHICAL_JPEG),
        (0xC9, Flaw.ARITHMETIC_JPEG),
        (0xCA, Flaw.ARITHMETIC_JPEG),
        (0xCF, Flaw.HIERARCHICAL_JPEG),
    ],
)
def test_coding_processes_of_jpeg(marker: int, flaw: Flaw) -> None:
    assert sniff(patched(JPEG, frame_at(JPEG) + 1, bytes([marker]))).flaw is flaw


def test_the_walk_through_a_jpeg_is_bounded() -> None:
    few = with_segments(JPEG, *[segment(0xE5, b"")] * (MAX_SEGMENTS - 20))
    assert sniff(few).plain
    many = with_segments(JPEG, *[segment(0xE5, b"")] * MAX_SEGMENTS)
    with pytest.raises(RecordError, match=rf"corrupt: .* {MAX_SEGMENTS} segments"):
        sniff(many)


def test_a_gif_of_many_blocks_is_left_to_pillow() -> None:
    gif = encode(TRUTH, "GIF")
    at = gif.index(b"\x2c", 13 + 3 * 256)
    blocks = len(find_blocks(gif, at))

    def with_comments(number: int) -> bytes:
        # One step for the extension, one for each of its blocks, one for its end.
        return gif[:at] + b"\x21\xfe" + b"\x01x" * (number - 2) + b"\0" + gif[at:]

    assert sniff(with_comments(MAX_GIF_BLOCKS - blocks)).flaw is Flaw.NONE
    assert sniff(with_comments(MAX_GIF_BLOCKS - blocks + 1)).flaw is Flaw.GIF


def find_blocks(gif: bytes, at: int) -> list[int]:
    """Lists the steps of a frame: its header, its blocks, its end."""
    steps, at = [at], at + 11
    while gif[at]:
        steps.append(at)
        at += 1 + gif[at]
    return [*steps, at]


def test_the_first_frame_of_a_gif() -> None:
    frame = find_first_frame(encode(TRUTH, "GIF", save_all=True, append_images=[Image.fromarray(255 - TRUTH)]))
    assert (frame.height, frame.width, frame.rows, frame.columns) == (HEIGHT, WIDTH, HEIGHT, WIDTH)
    assert frame.flaw is Flaw.NONE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xff", "not_an_image"),
        (b"BM is how this text begins, which is no bitmap.", "not_an_image"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not_an_image"),
        (b"\xff\x0a" + bytes(50), "unsupported"),
        (JPEG[:3], "truncated"),
        (JPEG[: frame_at(JPEG) + 9], "truncated"),
        (b"\xff\xd8\xff\xd9\0\0", "corrupt"),
        (patched(JPEG, frame_at(JPEG) + 5, bytes(2)), "corrupt"),
        (encode(TRUTH, "PNG")[:30], "truncated"),
        (bmp(TRUTH)[:-1], "truncated"),
        (encode(TRUTH, "WEBP")[:-1], "truncated"),
    ],
)
def test_broken_headers(data: bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=f"^image: {reason}: .") as caught:
        sniff(data)
    assert caught.value.reason == reason


def test_pixels_are_counted_before_decoding() -> None:
    check_pixels(100, 100, 10_000)
    with pytest.raises(RecordError, match="too_many_pixels: 101x100 is 10100 pixels, the limit is 10000"):
        check_pixels(101, 100, 10_000)
    with pytest.raises(RecordError, match=f"too_many_pixels: .* a side over {MAX_SIDE}"):
        check_pixels(1, MAX_SIDE + 1, 10**9)


def test_every_flaw_says_what_it_is() -> None:
    messages = [flaw.message for flaw in Flaw if flaw is not Flaw.NONE]
    assert all(messages)
    assert len(set(messages)) == len(messages)
    assert not any("'" in message for message in messages)
    assert {flaw.reason for flaw in Flaw} - {""} <= set(REASONS)
    assert Flaw.CMYK_JPEG.message == "a CMYK JPEG cannot be decoded here; convert it to a JPEG in RGB first"


def test_every_format_has_a_signature() -> None:
    assert {name for name, _ in SIGNATURES} >= set(FORMATS)


def test_headers_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="plain"):
        sniff(JPEG).plain = False  # type: ignore[misc]


@given(data=st.binary(max_size=200), start=st.integers(0, 250), end=st.integers(0, 250))
def test_orientation_of_noise_is_a_number_from_1_to_8(data: bytes, start: int, end: int) -> None:
    assert 1 <= parse_orientation(b"II*\0\x08\0\0\0" + data, start % 2, end) <= 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
def test_orientation_as_short_or_long(order: str, kind: int) -> None:
    block = exif_block(7, order, kind=kind)
    assert parse_orientation(b"ab" + block + b"cd", 2, 2 + len(block)) == 7
    # Cut behind the value it still counts, cut before it doesn't.
    assert parse_orientation(block, 0, len(block) - 4) == 7
    assert parse_orientation(block, 0, len(block) - 5) == 1


def test_only_the_first_orientation_counts() -> None:
    entry = struct.pack("<HHI", 0x0112, 3, 1)
    head = b"II*\0" + struct.pack("<IH", 8, 2)
    block = head + entry + struct.pack("<HH", 9, 0) + entry + struct.pack("<HH", 6, 0)
    assert parse_orientation(block, 0, len(block)) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "JPEG2000", "AVIF"])
def test_a_cut_is_seen_in_the_structure(kind: str) -> None:
    data = encode(np.kron(TRUTH, np.ones((3, 3, 1), np.uint8)), kind)
    name = sniff(data).format
    assert not is_truncated(data, name)
    assert not is_truncated(data + b"something behind", name)
    assert all(is_truncated(data[:size], name) for size in range(len(data) // 2, len(data), 37))
