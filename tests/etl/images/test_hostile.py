"""Files that nobody would make on purpose: each becomes the right pixels or the right reason, on both paths alike."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from etl.errors import RecordError
from etl.images import normalise
from etl.images.graph import decoding, headers, walks
from etl.images.graph.bytes import read_bytes
from etl.images.header import FORMATS, Flaw, ImageHeader
from etl.images.scans import END_MARK
from etl.images.sniff import find_format, sniff
from etl.images.truncation import is_truncated
from tests.etl.images.drawing import bmp, encode, exif_block, picture, with_exif
from tests.etl.images.hostile import Case, make_corpus

SEED = 20
# What the graph can't compute, and what its decoder keeps to itself.
UNHEARD = r"tRNS|^the JPEG's data"
HEADER_READERS = {
    "jpeg": walks.jpeg_header,
    "png": walks.png_header,
    "bmp": headers.bmp_header,
    "webp": headers.webp_header,
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return make_corpus(tmp_path_factory.mktemp("hostile"), SEED)


def outcome(data: bytes) -> np.ndarray | RecordError:
    try:
        return normalise.decode_rgb(data)
    except RecordError as error:
        return error


@functools.cache
def header_reader(name: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    def read(data: tf.Tensor) -> dict[str, tf.Tensor]:
        header = HEADER_READERS[name](read_bytes(data))
        return {
            "flaw": header.flaw,
            "height": header.height,
            "width": header.width,
            "orientation": tf.cast(header.orientation, tf.int64),
        }

    return tf.function(read, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


@functools.cache
def format_reader() -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(
        lambda data: headers.find_format(read_bytes(data)),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def check_headers_agree(data: bytes) -> None:
    """Compares what Python and the graph read from the same header."""
    name = find_format(data) or "none"
    branch = FORMATS.index(name) if name in FORMATS else len(FORMATS) + (name == "none")
    assert int(format_reader()(tf.constant(data))) == branch
    if name not in HEADER_READERS:
        return
    read = {key: int(value) for key, value in header_reader(name)(tf.constant(data)).items()}
    header = sniffed(data)
    if is_extended(data):
        is_cut = isinstance(header, RecordError) and header.reason == "truncated"
        assert read["flaw"] == (Flaw.TRUNCATED if is_cut else Flaw.ODD_WEBP)
        return
    if isinstance(header, RecordError):
        # The graph can't compute the checksum of a tRNS chunk.
        assert Flaw(read["flaw"]).reason == header.reason or "tRNS" in header.message
        return
    assert Flaw(read["flaw"]) is header.flaw
    if header.flaw is Flaw.NONE:
        assert (read["height"], read["width"], read["orientation"]) == (header.height, header.width, header.orientation)


def is_extended(data: bytes) -> bool:
    """Tells whether it is a WebP of several chunks, through which the graph doesn't walk."""
    return find_format(data) == "webp" and data[12:16] == b"VP8X"


def sniffed(data: bytes) -> ImageHeader | RecordError:
    try:
        return sniff(data)
    except RecordError as error:
        return error


def refusal(data: bytes) -> str:
    """Returns what the graph must say of a file that `normalise` accepts, "" where it must decode it."""
    header = sniff(data)
    if header.format == "gif":
        return Flaw.GIF.message
    if header.format == "webp" and not decoding.DECODES_WEBP:
        return Flaw.WEBP.message
    return (Flaw.ODD_WEBP if is_extended(data) else header.flaw).message


def check_graph_agrees(data: bytes, expected: np.ndarray | RecordError) -> None:
    """Checks that the graph gives the same pixels, or refuses by name."""
    decode = decoding.function("decode")
    inputs = tf.constant(data), tf.constant(normalise.DEFAULT_MAX_PIXELS, tf.int64)
    if isinstance(expected, RecordError):
        if not re.search(UNHEARD, expected.message):
            with pytest.raises(tf.errors.InvalidArgumentError, match="."):
                decode(*inputs)
    elif refusal(data):
        with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(refusal(data))):
            decode(*inputs)
    else:
        np.testing.assert_array_equal(decode(*inputs), expected)


def test_the_corpus_is_large_and_reaches_every_reason(cases: list[Case]) -> None:
    reasons = {case.expected for case in cases if isinstance(case.expected, str)}
    assert len(cases) >= 60
    assert reasons == {"empty", "not_an_image", "truncated", "corrupt", "unsupported", "too_many_pixels"}
    assert sum(not isinstance(case.expected, str) for case in cases) >= 60


def test_the_same_seed_makes_the_same_corpus(cases: list[Case], tmp_path: Path) -> None:
    again = make_corpus(tmp_path, SEED)
    assert [case.name for case in again] == [case.name for case in cases]
    differing = [
        one.name for one, other in zip(again, cases, strict=True) if one.path.read_bytes() != other.path.read_bytes()
    ]
    # libavif writes the time of day into sequences.
    assert set(differing) <= {"avif_animated"}


def test_every_file_is_upright_and_right_or_rejected_for_its_reason(cases: list[Case]) -> None:
    wrong = []
    for case in cases:
        result = outcome(case.path.read_bytes())
        if isinstance(case.expected, str):
            got = result.reason if isinstance(result, RecordError) else f"pixels {result.shape}"
            if got != case.expected:
                wrong.append(f"{case.path.name}: {got}, expected {case.expected}")
        elif isinstance(result, RecordError):
            wrong.append(f"{case.path.name}: {result}")
        elif result.dtype != np.uint8 or result.shape != case.expected.shape:
            wrong.append(f"{case.path.name}: {result.dtype} {result.shape}, expected {case.expected.shape}")
        else:
            difference = np.abs(result.astype(int) - case.expected).mean()
            if difference > case.tolerance:
                wrong.append(f"{case.path.name}: off by {difference:.2f}")
    assert wrong == []


def test_the_graph_gives_the_same_pixels_or_refuses_by_name(cases: list[Case]) -> None:
    for case in cases:
        data = case.path.read_bytes()
        check_headers_agree(data)
        check_graph_agrees(data, outcome(data))


def test_what_is_accepted_becomes_a_plain_jpeg(cases: list[Case]) -> None:
    for case in cases:
        if isinstance(case.expected, str):
            continue
        data = case.path.read_bytes()
        jpeg, pixels = normalise.normalise_jpeg(data, max_pixels=normalise.DEFAULT_MAX_PIXELS, quality=95)
        stored = normalise.verify_jpeg(jpeg)
        assert stored.shape == pixels.shape
        if sniff(data).plain:
            assert jpeg == (data + END_MARK if is_truncated(data, "jpeg") else data)
            np.testing.assert_array_equal(stored, pixels)
        else:
            # Noise as colours or as alpha is what JPEG is worst at.
            assert np.abs(stored.astype(int) - pixels).mean() < 12


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Small files of every format, for flipping and cutting."""
    truth = picture(20, 28)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.concatenate([truth, truth[:, ::-1, :1]], axis=2)
    return (
        with_exif(encode(truth, "JPEG"), exif_block(6, extra=2)),
        encode(truth, "JPEG", progressive=True),
        encode(truth, "JPEG", "CMYK"),
        encode(rgba, "PNG", exif=exif),
        encode(truth, "PNG", "P"),
        encode(truth, "GIF"),
        encode(truth, "GIF", save_all=True, append_images=[Image.fromarray(255 - truth)] * 2),
        bmp(truth),
        encode(truth, "BMP", "P"),
        encode(truth, "WEBP", exif=exif),
        encode(rgba, "WEBP", lossless=True),
        encode(truth, "TIFF", compression="tiff_lzw"),
        encode(truth, "TIFF"),
        encode(truth, "JPEG2000"),
        encode(truth, "AVIF"),
    )


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Flips, cuts and splices; mostly near the beginning, where the structure is."""
    data = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(0, 4))):
        limit = max(len(data) - 1, 0)
        at = draw(st.one_of(st.integers(0, min(limit, 64)), st.integers(0, limit)))
        action = draw(st.sampled_from(["flip", "set", "cut", "drop", "repeat", "splice"]))
        length = draw(st.integers(1, 40))
        if action == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "set":
            data[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"]))
        elif action == "cut":
            del data[at:]
        elif action == "drop":
            del data[at : at + length]
        elif action == "repeat":
            data[at:at] = data[at : at + length]
        elif action == "splice":
            other = draw(st.sampled_from(seeds()))
            start = draw(st.integers(0, len(other) - 1))
            data[at:] = other[start:]
    return bytes(data)


@settings(max_examples=400, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=damaged_files())
def test_no_damage_crashes_anything(data: bytes) -> None:
    result = outcome(data)
    if not isinstance(result, RecordError):
        assert result.dtype == np.uint8
        assert result.ndim == 3
        assert result.shape[2] == 3
        assert min(result.shape) >= 1
    check_headers_agree(data)
    check_graph_agrees(data, result)


@settings(max_examples=200, derandomize=True)
@given(
    data=st.binary(max_size=80),
    prefix=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a"]),
)
def test_noise_reads_alike_on_both_paths(data: bytes, prefix: bytes) -> None:
    if prefix + data:
        check_headers_agree(prefix + data)
