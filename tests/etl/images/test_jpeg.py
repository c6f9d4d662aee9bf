"""JPEGs are decoded by a library that says what it missed: to TensorFlow's pixels, and never to grey in silence."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import RecordError
from etl.images import jpeg, normalise
from etl.images.graph import decoding
from etl.images.header import DEFAULT_MAX_PIXELS, Flaw
from etl.images.scans import END_MARK, has_every_scan
from tests.etl.images.drawing import encode, frame_at, patched, picture

NOISE = np.random.default_rng(6).integers(0, 256, (70, 90, 3), dtype=np.uint8)
FORMS: tuple[dict[str, Any], ...] = ({}, {"progressive": True}, {"restart_marker_blocks": 3}, {"optimize": True})


def scan_at(data: bytes) -> int:
    """Returns where the first scan's data begin."""
    at = data.index(b"\xff\xda", frame_at(data))
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def graph_pixels(data: bytes) -> np.ndarray:
    limit = tf.constant(DEFAULT_MAX_PIXELS, tf.int64)
    pixels: np.ndarray = decoding.function("decode")(tf.constant(data), limit).numpy()
    return pixels


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form), "baseline"))
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(1, 1), (15, 17), (64, 48)])
def test_both_decoders_give_the_same_pixels(form: dict[str, Any], subsampling: str, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), dtype=np.uint8)
    for quality in (30, 100):
        data = encode(pixels, "JPEG", quality=quality, subsampling=subsampling, **form)
        np.testing.assert_array_equal(jpeg.decode(data).pixels, decoding.decode_plain_jpeg(data))


def test_both_decoders_give_the_same_pixels_of_real_images(real_data: Path) -> None:
    paths = sorted(real_data.glob("flower_photos/*/*.jpg"))[::40]
    assert paths
    for path in paths:
        data = path.read_bytes()
        decoded = jpeg.decode(data)
        assert decoded.data is data
        np.testing.assert_array_equal(decoded.pixels, decoding.decode_plain_jpeg(data), err_msg=path.name)


@settings(max_examples=150, derandomize=True)
@given(form=st.sampled_from(FORMS), missing=st.integers(3, 20_000), mark=st.sampled_from([b"", END_MARK]))
def test_no_cut_goes_unnoticed(form: dict[str, Any], missing: int, mark: bytes) -> None:
    data = encode(NOISE, "JPEG", quality=90, **form)
    rest = len(data) - 2 - scan_at(data)
    with pytest.raises(RecordError, match="truncated: the JPEG"):
        jpeg.decode(data[: len(data) - 2 - (missing - 2) % rest] + mark)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form), "baseline"))
@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_end_mark_costs_no_pixel_and_is_put_back(form: dict[str, Any], missing: int) -> None:
    data = encode(NOISE, "JPEG", quality=90, **form)
    stored, pixels = normalise.normalise_jpeg(data[:-missing], max_pixels=DEFAULT_MAX_PIXELS, quality=10)
    assert stored == data[:-missing] + END_MARK
    np.testing.assert_array_equal(pixels, decoding.decode_plain_jpeg(data))
    np.testing.assert_array_equal(pixels, decoding.decode_plain_jpeg(stored))
    np.testing.assert_array_equal(pixels, graph_pixels(data[:-missing]))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form), "baseline"))
@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
@pytest.mark.parametrize("mark", [b"", END_MARK])
def test_the_graph_refuses_a_cut_scan_too(form: dict[str, Any], share: float, mark: bytes) -> None:
    data = encode(NOISE, "JPEG", quality=90, subsampling="4:4:4", **form)
    start = scan_at(data)
    half = data[: start + int(share * (len(data) - start))] + mark
    with pytest.raises(tf.errors.InvalidArgumentError, match=Flaw.TRUNCATED.message):
        graph_pixels(half)


def test_grey_images_are_no_cut_ones() -> None:
    grey = np.full((64, 80, 3), 128, np.uint8)
    for form in FORMS:
        data = encode(grey, "JPEG", **form)
        np.testing.assert_array_equal(normalise.decode_rgb(data), grey)
        np.testing.assert_array_equal(graph_pixels(data), grey)


def test_data_left_over_are_padding_or_damage() -> None:
    data = encode(NOISE, "JPEG")
    for padding in (bytes(30), b"\x55" * 30, b"\xff" * 30):
        padded = data[:-2] + padding + END_MARK
        decoded = jpeg.decode(padded)
        assert decoded.data is padded
        np.testing.assert_array_equal(decoded.pixels, decoding.decode_plain_jpeg(data))
    with pytest.raises(
        RecordError, match=r"corrupt: the JPEG's data are damaged: \d+ extraneous bytes before marker 0xd9"
    ):
        jpeg.decode(data[:-2] + bytes(range(30)) + END_MARK)


def test_damage_that_the_decoder_notices_is_named() -> None:
    data = encode(picture(64, 64), "JPEG", restart_marker_blocks=4)
    without = data.replace(b"\xff\xd1", b"\xff\xd5", 1)
    with pytest.raises(RecordError, match="corrupt: the JPEG's data are damaged: found marker 0xd5 instead of RST1"):
        jpeg.decode(without)
    start = scan_at(data := encode(NOISE, "JPEG", quality=90))
    places = range(start, len(data) - 60, 97)
    noticed = 0
    for at in places:
        try:
            jpeg.decode(patched(data, at, b"\x55" * 50))
        except RecordError as error:
            noticed += error.reason in ("corrupt", "truncated")
    # The rest are valid codes for other pixels, of the right length.
    assert noticed > 0.75 * len(places)


def odd_sampling() -> bytes:
    """Makes a JPEG whose first component is the smallest, as no writer does.

    RGB's components share their tables: 30 times R, G, B as well as 18 times R, G, G, B, B.
    """
    data = encode(NOISE[:48, :40], "JPEG", quality=90, keep_rgb=True)
    frame = frame_at(data)
    for at, value in ((7, b"\0\x30"), (11, b"\x11"), (14, b"\x21"), (17, b"\x21")):
        data = patched(data, frame + at, value)
    return data


def test_what_the_second_decoder_can_not_judge_goes_to_the_graph() -> None:
    data = odd_sampling()
    assert jpeg.decode(data).pixels is None
    stored, pixels = normalise.normalise_jpeg(data[:-2], max_pixels=DEFAULT_MAX_PIXELS, quality=10)
    assert stored == data
    np.testing.assert_array_equal(pixels, decoding.decode_plain_jpeg(data))
    start = scan_at(data)
    with pytest.raises(RecordError, match="truncated: TensorFlow can't decode this JPEG"):
        normalise.decode_rgb(data[: (start + len(data)) // 2] + END_MARK)


def test_a_progressive_file_needs_its_last_scan() -> None:
    data = encode(NOISE, "JPEG", progressive=True)
    assert has_every_scan(data)
    places = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert len(places) > 5
    assert not any(has_every_scan(data[:at] + END_MARK) for at in places)
    # Nor does one of the next file count.
    assert not has_every_scan(data[: places[-1]] + END_MARK + data)


def test_a_component_without_a_scan_is_missed() -> None:
    data = encode(NOISE, "JPEG", subsampling="4:4:4")
    at = data.index(b"\xff\xda")
    table = dict(zip(data[at + 5 : at + 11 : 2], data[at + 6 : at + 11 : 2], strict=True))
    for number in itertools.accumulate([1, 1]):
        ids = list(table)[:number]
        header = b"".join(bytes([one, table[one]]) for one in ids)
        scan = b"\xff\xda" + (6 + 2 * number).to_bytes(2, "big") + bytes([number]) + header + b"\0\x3f\0"
        assert not has_every_scan(data[:at] + scan + data[scan_at(data) :])


def test_a_jpeg_that_tensorflow_would_not_decode_is_too_large() -> None:
    data = encode(picture(), "JPEG")
    huge = patched(data, frame_at(data) + 5, (14_000).to_bytes(2, "big") * 2)
    with pytest.raises(RecordError, match="too_many_pixels: TensorFlow decodes no JPEG of 536870912 samples or more"):
        normalise.decode_rgb(huge, max_pixels=1 << 40)
