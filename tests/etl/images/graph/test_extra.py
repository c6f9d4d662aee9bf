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
from PIL import Image, ImageCms, ImageFilter

from etl.errors import ConfigError, RecordError
from etl.images import normalise
from etl.images.graph import decoding, extra
from etl.images.header import MAX_JP2_BYTES, Flaw
from tests.etl.images.drawing import SIZE, encode, encode_image, patched, picture, stored_for, tiff

Decode = Callable[[bytes], np.ndarray]

TRUTH = picture(90, 121)
RGBA = np.dstack([TRUTH, TRUTH[:, ::-1, 0]])
GREY = TRUTH[..., 0]
WIDE = GREY.astype(np.uint16) * 256 + 200
NOISE = np.random.default_rng(3).integers(0, 256, (61, 47, 3), np.uint8)
SOFT = np.asarray(Image.fromarray(NOISE).filter(ImageFilter.GaussianBlur(1)))

MAX_PIXELS = 400_000


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
    monkeypatch.setattr(extra, "_loaded", [])
    with pytest.raises(ConfigError) as caught:
        extra.load("--serving_formats", "extra")
    assert str(caught.value) == (
        "--serving_formats: got 'extra', expected a TensorFlow on which tensorflow-io 0.37.1 loads (2.16; this is "
        f"{tf.__version__}); AVIF, TIFF and JPEG 2000 need TensorFlow 2.16 and: pip install 'petalstream[io]'"
    )


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "_loaded", [])
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(
        ConfigError, match="^--x: got 'extra', expected tensorflow-io, which is not installed; AVIF, TIF"
    ):
        extra.load("--x", "extra")


def exact_files() -> dict[str, bytes]:
    files = {
        "tiff": encode(TRUTH, "TIFF"),
        "tiff_pages": encode(TRUTH, "TIFF", save_all=True, append_images=[Image.fromarray(255 - TRUTH)]),
        "tiff_trailing": encode(TRUTH, "TIFF") + bytes(99),
        "tiff_predictor": encode(TRUTH, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2}),
        "tiff_old_deflate": encode(TRUTH, "TIFF", compression="tiff_deflate"),
        "tiff_1x1": encode(TRUTH[:1, :1], "TIFF"),
        "jp2": encode(TRUTH, "JPEG2000"),
        "jp2_lossy": encode(SOFT, "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[12]),
        "jp2_levels": encode(SOFT, "JPEG2000", num_resolutions=2, progression="RPCL"),
        "jp2_plain_colours": encode(SOFT, "JPEG2000", mct=0),
        "jp2_rgba": encode(RGBA, "JPEG2000"),
        "jp2_grey": encode(GREY, "JPEG2000"),
        "jp2_1x1": encode(TRUTH[:1, :1], "JPEG2000"),
        "avif_grey": encode(GREY, "AVIF", subsampling="4:0:0"),
        "avif_grey_narrow": encode(GREY, "AVIF", subsampling="4:0:0", range="limited"),
    }
    for deflate in (False, True):
        name = "deflated" if deflate else "raw"
        options = {"compression": "tiff_adobe_deflate"} if deflate else {}
        files |= {
            f"tiff_{name}_noise": encode(NOISE, "TIFF", **options),
            f"tiff_{name}_grey": encode(GREY, "TIFF", **options),
            f"tiff_{name}_grey_16": encode(WIDE, "TIFF", **options),
            f"tiff_{name}_rgba": encode(RGBA, "TIFF", **options),
        }
        for order in "<>":
            for shape in ({"tile": 32}, {"rows": 7}, {}):
                key = f"tiff_{name}_{'little' if order == '<' else 'big'}_{shape}"
                files[key] = tiff(TRUTH, order=order, deflate=deflate, **shape)
                if "tile" not in shape:
                    files[f"{key}_16"] = tiff(WIDE, order=order, deflate=deflate, **shape)
    return files


def test_the_same_pixels_to_the_bit(decode: Decode) -> None:
    for name, data in exact_files().items():
        np.testing.assert_array_equal(decode(data), normalise.decode_rgb(data), err_msg=name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(decode: Decode, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = stored_for(TRUTH, orientation)
    for tags in ({}, {"order": ">"}, {"tile": 16}):
        np.testing.assert_array_equal(decode(tiff(turned, t274=orientation, **tags)), TRUTH)
    # Grey, which is equal to the bit: of colours a few pixels may be a level off.
    avif = encode(turned[..., 0], "AVIF", subsampling="4:0:0", quality=100, exif=exif)
    np.testing.assert_array_equal(decode(avif), normalise.decode_rgb(avif))
    assert np.abs(decode(avif)[..., 0].astype(int) - GREY).max() <= 4


@pytest.mark.parametrize("samples", ["full", "limited"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_avif_differs_in_a_few_pixels_at_the_limits(decode: Decode, subsampling: str, samples: str) -> None:
    pictures = {"drawn": TRUTH, "noise": NOISE, "soft": SOFT, "small": NOISE[:3, :5], "dot": NOISE[:1, :1]}
    for name, pixels in pictures.items():
        for quality in (30, 95):
            data = encode(pixels, "AVIF", subsampling=subsampling, range=samples, quality=quality)
            expected = normalise.decode_rgb(data).astype(int)
            difference = np.abs(decode(data) - expected)
            assert difference.mean() < 0.1, name
            # Of what lies within the range, and its neighbours, hardly anything.
            assert (difference > 0).mean() < 0.08, name
            assert difference.max() <= (40 if name == "noise" else 12), name


def test_photographs_in_avif(decode: Decode, real_data: Path) -> None:
    for path in sorted(real_data.glob("flower_photos/*/*.jpg"))[::300]:
        with Image.open(path) as image:
            image.thumbnail((150, 130))
            data = encode_image(image, "AVIF")
        difference = np.abs(decode(data).astype(int) - normalise.decode_rgb(data))
        assert (difference > 0).mean() < 0.01, path
        assert difference.mean() < 0.02, path


def test_notes_beside_the_picture_change_nothing(decode: Decode) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode(encode(SOFT, "AVIF"))
    np.testing.assert_array_equal(decode(encode(SOFT, "AVIF", exif=exif)), plain)
    np.testing.assert_array_equal(decode(encode(SOFT, "AVIF", icc_profile=profile)), plain)


def refused_files() -> list[tuple[str, bytes, Flaw]]:
    others = {"save_all": True, "append_images": [Image.fromarray(255 - TRUTH)]}
    palette = Image.fromarray(TRUTH).quantize(32)
    jp2, avif = encode(TRUTH, "JPEG2000"), encode(TRUTH, "AVIF")
    matrix = avif.index(b"colrnclx") + 13
    odd_tiffs = {
        "tiff_cmyk": encode(TRUTH, "TIFF", "CMYK"),
        "tiff_palette": encode_image(palette, "TIFF"),
        "tiff_grey_alpha": encode_image(Image.fromarray(RGBA).convert("LA"), "TIFF"),
        "tiff_1_bit": encode(GREY, "TIFF", "1"),
        "tiff_ycbcr": encode_image(Image.fromarray(TRUTH).convert("YCbCr"), "TIFF"),
        "tiff_big": encode(TRUTH, "TIFF", big_tiff=True),
        "tiff_white_is_zero": tiff(GREY, t262=0),
        "tiff_wide_rgb": tiff(TRUTH.astype(np.uint16) * 257),
        "tiff_wide_tiles": tiff(WIDE, tile=32),
        "tiff_fill_order": tiff(GREY, t266=2),
        **{
            f"tiff_{name}": encode(TRUTH, "TIFF", compression=name)
            for name in ("tiff_lzw", "packbits", "jpeg", "zstd", "lzma")
        },
    }
    odd_jp2s = {
        "jp2_codestream": encode(TRUTH, "JPEG2000", no_jp2=True),
        "jp2_tiles": encode(TRUTH, "JPEG2000", tile_size=(64, 64)),
        "jp2_grey_16": encode(WIDE, "JPEG2000"),
        "jp2_grey_alpha": encode_image(Image.fromarray(RGBA).convert("LA"), "JPEG2000"),
        "jp2_ycc": encode_image(Image.fromarray(TRUTH).convert("YCbCr"), "JPEG2000"),
    }
    odd_avifs = {
        "avif_alpha": encode(RGBA, "AVIF"),
        "avif_animated": encode(TRUTH, "AVIF", **others),
        "avif_bt709": patched(avif, matrix, b"\x01"),
        "avif_unknown_matrix": patched(avif, matrix, b"\x02"),
    }
    return [
        *((name, data, Flaw.ODD_TIFF) for name, data in odd_tiffs.items()),
        *((name, data, Flaw.ODD_JP2) for name, data in odd_jp2s.items()),
        *((name, data, Flaw.ODD_AVIF) for name, data in odd_avifs.items()),
        ("jp2_large", jp2 + bytes(MAX_JP2_BYTES - len(jp2)), Flaw.LARGE_JP2),
        ("tiff_cut", encode(TRUTH, "TIFF")[:-1], Flaw.TRUNCATED),
        ("tiff_short_strip", tiff(TRUTH, t279=99), Flaw.TRUNCATED),
        ("jp2_cut", jp2[:-2], Flaw.TRUNCATED),
        ("jp2_cut_early", jp2[:60], Flaw.TRUNCATED),
        ("avif_cut", avif[:100], Flaw.TRUNCATED),
        ("tiff_many_pixels", encode(np.zeros((700, 700, 3), np.uint8), "TIFF"), Flaw.TOO_MANY_PIXELS),
        ("jp2_many_pixels", encode(np.zeros((700, 700, 3), np.uint8), "JPEG2000"), Flaw.TOO_MANY_PIXELS),
        ("avif_many_pixels", encode(np.zeros((700, 700, 3), np.uint8), "AVIF"), Flaw.TOO_MANY_PIXELS),
    ]


def test_what_would_be_other_pixels_is_refused_by_name(decode: Decode) -> None:
    for name, data, flaw in refused_files():
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            decode(data)
        assert flaw.message in str(caught.value), name


def test_a_large_jpeg_2000_is_read_to_its_end(decode: Decode) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (562, 562, 3), np.uint8)
    data = encode(pixels, "JPEG2000")
    assert 0.9 * MAX_JP2_BYTES < len(data) < MAX_JP2_BYTES
    np.testing.assert_array_equal(decode(data), pixels)


def test_a_damaged_strip_is_no_picture(decode: Decode) -> None:
    data = encode(NOISE, "TIFF", compression="tiff_adobe_deflate")
    for at in range(400, len(data) - 400, 700):
        damaged = patched(data, at, bytes([data[at] ^ 0x55]))
        with pytest.raises(tf.errors.OpError):
            decode(damaged)


def test_the_others_are_decoded_as_without(decode: Decode) -> None:
    for kind in ("JPEG", "PNG", "GIF", "BMP"):
        data = encode(TRUTH, kind)
        np.testing.assert_array_equal(decode(data), decoding.decode_rgb(data))
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(Flaw.CMYK_JPEG.message)):
        decode(encode(TRUTH, "JPEG", "CMYK"))


def test_resized_alike_in_every_way_of_calling(decode: Decode, tmp_path: Path) -> None:
    operations = extra.load("argument", "extra")
    files = [encode(TRUTH, kind) for kind in ("TIFF", "JPEG2000", "JPEG")]
    expected = [normalise.load_pixels(data, height=SIZE[0], width=SIZE[1], resize="pad") for data in files]
    eager = [decoding.decode_resized(data, *SIZE, "pad", extra=operations).numpy() for data in files]
    np.testing.assert_array_equal(eager, expected)
    module = tf.Module()
    module.decode = tf.function(
        lambda data: tf.map_fn(
            lambda one: decoding.decode_resized(one, *SIZE, "pad", extra=operations),
            data,
            fn_output_signature=tf.TensorSpec((*SIZE, 3), tf.uint8),
        ),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path / "model")).decode(tf.constant(files)), expected)


def small_files() -> tuple[bytes, ...]:
    small = np.asarray(Image.fromarray(TRUTH).resize((28, 20)))
    deflated = {"compression": "tiff_adobe_deflate"}
    return (
        encode(small, "TIFF"),
        encode(small, "TIFF", **deflated),
        tiff(small, order=">", tile=16),
        encode(small, "JPEG2000"),
        encode(small, "AVIF", subsampling="4:4:4"),
        encode(small, "AVIF"),
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
