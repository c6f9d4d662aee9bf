"""What the ETL calls: any file to upright pixels, to a JPEG, to one size."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from etl.errors import RecordError
from etl.images import encode as jpeg_encoder
from etl.images import normalise
from etl.images.graph import decoding
from etl.images.header import MAX_SIDE
from etl.images.sniff import sniff
from tests.etl.images.drawing import SIZE, bmp, encode, exif_block, on_white, picture, stored_for, with_exif

TRUTH = picture()
RGBA = np.dstack([TRUTH, TRUTH[::-1, :, 0]])


def test_the_pets_equal_what_pillow_shows(real_data: Path) -> None:
    paths = sorted((real_data / "pets" / "images").iterdir())
    formats = set()
    for path in paths:
        data = path.read_bytes()
        formats.add(sniff(data).format)
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            alpha = upright.has_transparency_data
            shown = np.asarray(upright.convert("RGBA" if alpha else "RGB"))
        np.testing.assert_array_equal(
            normalise.decode_rgb(data), on_white(shown) if alpha else shown, err_msg=path.name
        )
    # Five of these files aren't what their names say.
    assert formats == {"jpeg", "png", "gif"}


def test_plain_jpegs_pass_untouched(real_data: Path) -> None:
    for path in sorted(real_data.glob("flower_photos/*/*.jpg"))[::50]:
        data = path.read_bytes()
        jpeg, pixels = normalise.normalise_jpeg(data, max_pixels=normalise.DEFAULT_MAX_PIXELS, quality=10)
        assert jpeg is data
        np.testing.assert_array_equal(pixels, normalise.verify_jpeg(jpeg))


@pytest.mark.parametrize(
    "data",
    [
        with_exif(encode(stored_for(TRUTH, 8), "JPEG", quality=95), exif_block(8)),
        encode(TRUTH, "PNG"),
        encode(TRUTH, "JPEG", "CMYK", quality=95),
        encode(TRUTH, "TIFF"),
    ],
    ids=["turned", "png", "cmyk", "tiff"],
)
def test_anything_else_becomes_an_upright_plain_jpeg(data: bytes) -> None:
    jpeg, pixels = normalise.normalise_jpeg(data, max_pixels=normalise.DEFAULT_MAX_PIXELS, quality=95)
    assert sniff(jpeg).plain
    np.testing.assert_array_equal(pixels, normalise.decode_rgb(data))
    assert np.abs(pixels.astype(int) - TRUTH).mean() < 4
    assert np.abs(normalise.verify_jpeg(jpeg).astype(int) - pixels).mean() < 4


def test_only_plain_jpegs_pass_for_stored_ones() -> None:
    with pytest.raises(RecordError, match="unsupported: a plain JPEG was expected, this is .*png"):
        normalise.verify_jpeg(encode(TRUTH, "PNG"))
    with pytest.raises(RecordError, match="truncated: the JPEG has no end mark, and readers want one"):
        normalise.verify_jpeg(encode(TRUTH, "JPEG")[:-2])


@pytest.mark.parametrize("resize", decoding.RESIZES)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_loading_is_decoding_then_resizing(mode: str, resize: str) -> None:
    check_loading(encode(TRUTH, "JPEG", mode), resize)


@pytest.mark.parametrize(
    "data",
    [
        with_exif(encode(TRUTH, "JPEG"), exif_block(7)),
        encode(RGBA, "PNG"),
        bmp(TRUTH),
        encode(TRUTH, "GIF"),
        encode(RGBA, "WEBP", lossless=True),
        encode(TRUTH, "AVIF"),
    ],
    ids=["turned", "png", "bmp", "gif", "webp", "avif"],
)
def test_loading_takes_every_format(data: bytes) -> None:
    check_loading(data, "pad")


def check_loading(data: bytes, resize: str) -> None:
    loaded = normalise.load_pixels(data, height=SIZE[0], width=SIZE[1], resize=resize)
    expected = decoding.resize_image(normalise.decode_rgb(data), *SIZE, resize).numpy()
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, expected)


def test_many_threads_get_the_same_pixels() -> None:
    files = [encode(picture(30 + i, 90 - i), kind) for i in range(8) for kind in ("JPEG", "PNG", "TIFF")]

    def load(data: bytes) -> np.ndarray:
        return normalise.load_pixels(data, height=SIZE[0], width=SIZE[1], resize="pad")

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(load, files * 2))
    np.testing.assert_array_equal(np.stack(together), np.stack([load(data) for data in files * 2]))


def test_pixels_outlive_the_tensor_they_are_a_view_of() -> None:
    data = encode(TRUTH, "JPEG")
    first = normalise.decode_rgb(data)
    kept = first.copy()
    for _ in range(50):
        normalise.decode_rgb(encode(255 - TRUTH, "JPEG"))
    np.testing.assert_array_equal(first, kept)
    assert not first.flags.writeable


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000", "AVIF"])
def test_the_limit_holds_for_every_format(kind: str) -> None:
    data = encode(TRUTH, kind)
    pixels = TRUTH.shape[0] * TRUTH.shape[1]
    assert normalise.decode_rgb(data, max_pixels=pixels).shape == TRUTH.shape
    with pytest.raises(RecordError, match=f"too_many_pixels: 36x52 is {pixels} pixels, the limit is {pixels - 1}"):
        normalise.decode_rgb(data, max_pixels=pixels - 1)
    with pytest.raises(RecordError, match="too_many_pixels"):
        normalise.load_pixels(data, height=8, width=8, resize="pad", max_pixels=pixels - 1)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG2000", "AVIF"])
def test_pillows_own_limit_is_out_of_force(
    kind: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    pixels = TRUTH.shape[0] * TRUTH.shape[1]
    for limit in (pixels - 1, pixels // 2 - 1):  # Pillow warns over the first, and refuses at twice the second.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert normalise.decode_rgb(encode(TRUTH, kind)).shape == TRUTH.shape
    assert list(recwarn) == []


def test_what_is_read_can_be_stored() -> None:
    longest = np.zeros((1, MAX_SIDE, 3), np.uint8)
    jpeg = normalise.normalise_jpeg(encode(longest, "PNG"), max_pixels=10**6, quality=90)
    assert normalise.verify_jpeg(jpeg.data).shape == longest.shape
    with pytest.raises(RecordError, match=f"too_many_pixels: 1x{MAX_SIDE + 1} has a side over {MAX_SIDE}"):
        normalise.decode_rgb(encode(np.zeros((1, MAX_SIDE + 1, 3), np.uint8), "TIFF"))


def test_half_files_are_never_decoded() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000", "AVIF"):
        data = encode(TRUTH, kind)
        with pytest.raises(RecordError, match="truncated: ."):
            normalise.decode_rgb(data[: len(data) // 2])


def test_encoding_is_repeatable_and_keeps_full_colour() -> None:
    first = jpeg_encoder.encode_jpeg(TRUTH, 90)
    assert jpeg_encoder.encode_jpeg(TRUTH.copy(), 90) == first
    with Image.open(io.BytesIO(first)) as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
        assert not image.info.get("progressive")
    assert len(jpeg_encoder.encode_jpeg(TRUTH, 50)) < len(first)
