"""TIFF, AVIF and JPEG 2000 inside the graph: the pixels that `normalise` gives, or a refusal by name.

All but the first two need tensorflow-io, which loads on TensorFlow 2.16 alone: `make test-compat` runs them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from etl.errors import ConfigError, RecordError
from etl.images import normalise
from etl.images.graph import decoding, extra
from etl.images.header import Flaw
from tests.etl.images.drawing import encode, encode_image, patched, picture, tiff

Decode = Callable[[bytes], np.ndarray]

TRUTH = picture(90, 121)
RGBA = np.dstack([TRUTH, TRUTH[:, ::-1, 0]])
GREY = TRUTH[..., 0]
WIDE = GREY.astype(np.uint16) * 256 + 200
NOISE = np.random.default_rng(3).integers(0, 256, (61, 47, 3), np.uint8)
SOFT = np.asarray(Image.fromarray(NOISE).filter(ImageFilter.GaussianBlur(1)))

MAX_PIXELS = 400_000
KINDS = ("TIFF", "JPEG2000", "AVIF")
PLAIN = {"AVIF": {"subsampling": "4:4:4"}}


def is_available() -> bool:
    try:
        extra.load("argument", "extra")
    except ConfigError:
        return False
    return True


@pytest.fixture(scope="module")
def decode() -> Decode:
    """The compiled function with tensorflow-io's operations in it."""
    if not is_available():
        pytest.skip("tensorflow-io doesn't load here: make test-compat runs this")
    operations = extra.load("argument", "extra")
    compiled = tf.function(
        lambda data: decoding.decode_rgb(data, MAX_PIXELS, operations),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    ).get_concrete_function()
    return lambda data: compiled(tf.constant(data)).numpy()


def test_a_package_for_another_tensorflow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "tensorflow_io" / "python" / "ops" / "libtensorflow_io.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"no library")
    (tmp_path / "tensorflow_io" / "__init__.py").touch()
    facts = tmp_path / "tensorflow_io-0.37.1.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: tensorflow-io\nVersion: 0.37.1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        extra.load("--serving_formats", "extra")
    assert str(caught.value) == (
        "--serving_formats: got 'extra', expected a TensorFlow on which tensorflow-io 0.37.1 loads (2.16; this is "
        f"{tf.__version__}); AVIF, TIFF and JPEG 2000 need TensorFlow 2.16 and: pip install 'petalstream[io]'"
    )


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(
        ConfigError, match="^--x: got 'extra', expected tensorflow-io, which is not installed; AVIF, TIF"
    ):
        extra.load("--x", "extra")


def exact_files() -> dict[str, bytes]:
    return {
        "tiff": encode(TRUTH, "TIFF"),
        "tiff_grey": encode(GREY, "TIFF"),
        "tiff_noise": encode(NOISE, "TIFF"),
        "tiff_big_endian": tiff(TRUTH, order=">"),
        "tiff_pages": encode(TRUTH, "TIFF", save_all=True, append_images=[Image.fromarray(255 - TRUTH)]),
        "tiff_trailing": encode(TRUTH, "TIFF") + bytes(99),
        "tiff_1x1": encode(TRUTH[:1, :1], "TIFF"),
        "jp2": encode(TRUTH, "JPEG2000"),
        "jp2_grey": encode(GREY, "JPEG2000"),
        "jp2_lossy": encode(SOFT, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[12]),
        "jp2_levels": encode(SOFT, "JPEG2000", num_resolutions=2, progression="RPCL"),
        "jp2_plain_colours": encode(SOFT, "JPEG2000", mct=0),
        "jp2_1x1": encode(TRUTH[:1, :1], "JPEG2000"),
    }


def test_the_same_pixels_to_the_bit(decode: Decode) -> None:
    for name, data in exact_files().items():
        np.testing.assert_array_equal(decode(data), normalise.decode_rgb(data), err_msg=name)


def test_avif_is_a_level_off_at_most(decode: Decode) -> None:
    for name, pixels, levels in (("drawn", TRUTH, 1), ("soft", SOFT, 1), ("dot", SOFT[:1, :1], 1), ("noise", NOISE, 2)):
        for quality in (30, 75, 95):
            data = encode(pixels, "AVIF", subsampling="4:4:4", quality=quality)
            difference = decode(data).astype(int) - normalise.decode_rgb(data)
            assert np.abs(difference).max() <= levels, name


def test_photographs_in_avif(decode: Decode, real_data: Path) -> None:
    for path in sorted(real_data.glob("flower_photos/*/*.jpg"))[::300]:
        with Image.open(path) as image:
            image.thumbnail((150, 130))
            data = encode_image(image, "AVIF", subsampling="4:4:4")
        difference = decode(data).astype(int) - normalise.decode_rgb(data)
        assert np.abs(difference).max() <= 1, path


def refused_files() -> list[tuple[str, bytes, Flaw]]:
    exif = Image.Exif()
    exif[0x0112] = 6
    others = {"save_all": True, "append_images": [Image.fromarray(255 - TRUTH)]}
    jp2, avif = encode(TRUTH, "JPEG2000"), encode(TRUTH, "AVIF", subsampling="4:4:4")
    large = {name: encode(np.zeros((700, 700, 3), np.uint8), name, **PLAIN.get(name, {})) for name in KINDS}
    odd_tiffs = {
        "cmyk": encode(TRUTH, "TIFF", "CMYK"),
        "palette": encode_image(Image.fromarray(TRUTH).quantize(32), "TIFF"),
        "alpha": encode(RGBA, "TIFF"),
        "1_bit": encode(GREY, "TIFF", "1"),
        "16_bits": encode(WIDE, "TIFF"),
        "wide_rgb": tiff(TRUTH.astype(np.uint16) * 257),
        "big": encode(TRUTH, "TIFF", big_tiff=True),
        "white_is_zero": tiff(GREY, t262=0),
        "fill_order": tiff(GREY, t266=2),
        "turned": tiff(TRUTH, t274=6),
        "tiles": tiff(TRUTH, tile=32),
        "strips": tiff(TRUTH, rows=7),
        "deflated": tiff(TRUTH, deflate=True),
        "lzw": encode(TRUTH, "TIFF", compression="tiff_lzw"),
        "cut": encode(TRUTH, "TIFF")[:-1],
        "short_strip": tiff(TRUTH, t279=99),
    }
    odd_jp2s = {
        "codestream": encode(TRUTH, "JPEG2000", no_jp2=True),
        "tiles": encode(TRUTH, "JPEG2000", tile_size=(64, 64)),
        "grey_16": encode(WIDE, "JPEG2000"),
        "alpha": encode(RGBA, "JPEG2000"),
        "ycc": encode_image(Image.fromarray(TRUTH).convert("YCbCr"), "JPEG2000"),
        "large": jp2[:-2] + bytes(1 << 20) + jp2[-2:],
        "cut": jp2[:-2],
        "cut_early": jp2[:60],
    }
    odd_avifs = {
        "halved_chroma": encode(TRUTH, "AVIF"),
        "grey": encode(GREY, "AVIF", subsampling="4:0:0"),
        "narrow": encode(TRUTH, "AVIF", subsampling="4:4:4", range="limited"),
        "alpha": encode(RGBA, "AVIF", subsampling="4:4:4"),
        "turned": encode(TRUTH, "AVIF", subsampling="4:4:4", exif=exif),
        "animated": encode(TRUTH, "AVIF", subsampling="4:4:4", **others),
        "bt709": patched(avif, avif.index(b"colrnclx") + 13, b"\x01"),
        "cut": avif[:-1],
        "cut_early": avif[:100],
    }
    return [
        *((name, data, Flaw.ODD_TIFF) for name, data in odd_tiffs.items()),
        *((name, data, Flaw.ODD_JP2) for name, data in odd_jp2s.items()),
        *((name, data, Flaw.ODD_AVIF) for name, data in odd_avifs.items()),
        *((name, data, Flaw.TOO_MANY_PIXELS) for name, data in large.items()),
    ]


def test_what_would_be_other_pixels_is_refused_by_name(decode: Decode) -> None:
    for name, data, flaw in refused_files():
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            decode(data)
        assert flaw.message in str(caught.value), name


def test_a_large_jpeg_2000_is_read_to_its_end(decode: Decode) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (562, 562, 3), np.uint8)
    data = encode(pixels, "JPEG2000")
    assert 0.9 * (1 << 20) < len(data) < 1 << 20
    np.testing.assert_array_equal(decode(data), pixels)


def test_the_others_are_decoded_as_without(decode: Decode) -> None:
    for kind in ("JPEG", "PNG", "BMP"):
        data = encode(TRUTH, kind)
        np.testing.assert_array_equal(decode(data), decoding.decode_rgb(data))
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(Flaw.CMYK_JPEG.message)):
        decode(encode(TRUTH, "JPEG", "CMYK"))


def small_files() -> tuple[bytes, ...]:
    small = np.asarray(Image.fromarray(TRUTH).resize((28, 20)))
    return (
        encode(small, "TIFF"),
        encode(small[..., 0], "TIFF"),
        tiff(small, order=">"),
        encode(small, "JPEG2000"),
        encode(small, "AVIF", subsampling="4:4:4"),
    )


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(small_files())))
    for _ in range(draw(st.integers(1, 3))):
        limit = max(len(data) - 1, 0)
        at = draw(st.one_of(st.integers(0, min(limit, 300)), st.integers(0, limit)))
        action = draw(st.sampled_from(["flip", "set", "cut", "drop"]))
        if action == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "set":
            data[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff"]))
        elif action == "cut":
            del data[at:]
        elif action == "drop":
            del data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


@settings(
    max_examples=250,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=damaged_files())
def test_no_damage_crashes_anything(decode: Decode, data: bytes) -> None:
    try:
        pixels = decode(data)
    except tf.errors.OpError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
    if data[:2] not in (b"II", b"MM"):
        return
    # Of a TIFF every byte of the pixels was looked at: what passes is what Pillow sees.
    try:
        expected = normalise.decode_rgb(data)
    except RecordError:
        return
    np.testing.assert_array_equal(pixels, expected)
