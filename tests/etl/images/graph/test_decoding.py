"""The decode and the resize inside the graph: exact, bounded, and the same bits however they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from etl.images.graph import decoding
from etl.images.header import DEFAULT_MAX_PIXELS
from tests.etl.images.drawing import (
    SIZE,
    bmp,
    encode,
    exif_block,
    on_white,
    picture,
    png,
    png_with_size,
    stored_for,
    with_exif,
)

TRUTH = picture()


def decodable_files() -> list[bytes]:
    """One file of each kind that the graph decodes, and a turned one."""
    files = [
        encode(TRUTH, "JPEG"),
        encode(TRUTH, "JPEG", progressive=True),
        encode(TRUTH[..., 0], "JPEG"),
        with_exif(encode(stored_for(TRUTH, 5), "JPEG"), exif_block(5)),
        encode(TRUTH, "PNG"),
        encode(np.dstack([TRUTH, TRUTH[..., 1]]), "PNG"),
        bmp(TRUTH, top_down=True),
    ]
    return [*files, encode(TRUTH, "WEBP")] if decoding.DECODES_WEBP else files


def photographs(folder: Path) -> list[bytes]:
    """Fifteen photographs of many sizes."""
    paths = sorted(folder.glob("flower_photos/*/*.jpg"))[::140] + sorted(folder.glob("pets/images/*.jpg"))[::74]
    return [path.read_bytes() for path in paths]


def test_every_way_of_calling_gives_the_same_bits(tmp_path: Path) -> None:
    files = decodable_files()
    eager = np.stack([decoding.decode_resized(data, *SIZE, "pad").numpy() for data in files])
    assert eager.shape == (len(files), *SIZE, 3)
    assert eager.dtype == np.uint8
    compiled = decoding.function("load", *SIZE, "pad")
    limit = tf.constant(DEFAULT_MAX_PIXELS, tf.int64)
    np.testing.assert_array_equal(np.stack([compiled(tf.constant(data), limit).numpy() for data in files]), eager)
    dataset = tf.data.Dataset.from_tensor_slices(files)
    mapped = dataset.map(lambda data: decoding.decode_resized(data, *SIZE, "pad"), num_parallel_calls=2)
    np.testing.assert_array_equal(np.stack(list(mapped.as_numpy_iterator())), eager)
    module = tf.Module()
    module.decode = tf.function(
        lambda batch: tf.map_fn(
            lambda data: decoding.decode_resized(data, *SIZE, "pad"),
            batch,
            fn_output_signature=tf.TensorSpec((*SIZE, 3), tf.uint8),
        ),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    np.testing.assert_array_equal(module.decode(tf.constant(files)).numpy(), eager)
    assert module.decode(tf.constant([], tf.string)).shape == (0, *SIZE, 3)
    tf.saved_model.save(module, str(tmp_path / "model"))
    exported = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(exported.decode(tf.constant(files)).numpy(), eager)


@pytest.mark.parametrize("resize", decoding.RESIZES)
def test_resizing_gives_the_same_bits_eagerly_and_compiled(resize: str) -> None:
    image = np.random.default_rng(5).integers(0, 256, (67, 91, 3), dtype=np.uint8)
    compiled = decoding.function("resize", *SIZE, resize)
    np.testing.assert_array_equal(compiled(tf.constant(image)), decoding.resize_image(image, *SIZE, resize))


def test_stretching_equals_tensorflows_own_resize(real_data: Path) -> None:
    for data in photographs(real_data):
        image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        for height, width in ((224, 224), (96, 160), (700, 900)):
            expected = tf.cast(tf.round(tf.image.resize(image, (height, width), "bilinear", antialias=True)), tf.uint8)
            np.testing.assert_array_equal(decoding.resize_image(image, height, width, "stretch"), expected)


def test_plain_jpegs_decode_alike_with_and_without_the_header(real_data: Path) -> None:
    limit = tf.constant(DEFAULT_MAX_PIXELS, tf.int64)
    decode, load = decoding.function("decode"), decoding.function("load", *SIZE, "pad")
    load_plain = decoding.function("load_plain", *SIZE, "pad")
    for data in map(tf.constant, photographs(real_data)):
        np.testing.assert_array_equal(decode(data, limit), decoding.decode_plain_jpeg(data))
        np.testing.assert_array_equal(load(data, limit), load_plain(data))


def test_a_function_is_made_once() -> None:
    assert decoding.function("load_plain", 8, 8, "pad") is decoding.function("load_plain", 8, 8, "pad")
    assert decoding.function("load_plain", 8, 8, "pad") is not decoding.function("load_plain", 8, 8, "crop")


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((100, 200), slice(25, 75), slice(0, 100)),
        ((200, 100), slice(0, 100), slice(25, 75)),
        ((100, 100), slice(0, 100), slice(0, 100)),
        # 2/3 of 100 is 66.67, so 67 rows; of the 33 that are left, 16 are above.
        ((2, 3), slice(16, 83), slice(0, 100)),
        # At least one pixel, however long the image.
        ((1, 5000), slice(49, 50), slice(0, 100)),
        ((5000, 1), slice(0, 100), slice(49, 50)),
    ],
)
def test_padding_is_centred_and_black(shape: tuple[int, int], rows: slice, columns: slice) -> None:
    padded = decoding.resize_image(np.full((*shape, 3), 200, np.uint8), 100, 100, "pad").numpy()
    expected = np.zeros((100, 100, 3), np.uint8)
    expected[rows, columns] = 200
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize(
    ("shape", "target", "rows", "columns"),
    [
        ((100, 200), (50, 50), slice(0, 100), slice(50, 150)),
        ((200, 100), (50, 50), slice(50, 150), slice(0, 100)),
        ((30, 60), (20, 40), slice(0, 30), slice(0, 60)),
        # 10 rows ask for 13.33 columns: 13, and 3 of the 7 others at the left.
        ((10, 20), (30, 40), slice(0, 10), slice(3, 16)),
        ((1, 5000), (100, 100), slice(0, 1), slice(2499, 2500)),
        ((5000, 3), (1, 2000), slice(2499, 2500), slice(0, 3)),
    ],
)
def test_cropping_takes_the_centre(
    shape: tuple[int, int], target: tuple[int, int], rows: slice, columns: slice
) -> None:
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    cropped = decoding.resize_image(image, *target, "crop")
    np.testing.assert_array_equal(cropped, decoding.resize_image(image[rows, columns], *target, "stretch"))


def test_the_same_size_changes_nothing() -> None:
    for resize in decoding.RESIZES:
        np.testing.assert_array_equal(decoding.resize_image(TRUTH, *TRUTH.shape[:2], resize), TRUTH)


def test_an_unknown_resize_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="resize: got 'fill', expected one of pad, crop, stretch"):
        decoding.resize_image(TRUTH, 8, 8, "fill")


def test_every_colour_with_every_alpha_is_exact_on_white() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, colour[::-1], colour[:, ::-1], alpha], axis=-1).astype(np.uint8)
    decoded = decoding.decode_rgb(png(rgba.astype(np.int64), 8, 6)).numpy()
    np.testing.assert_array_equal(decoded, on_white(rgba))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decoding.decode_rgb(encode(stored_for(TRUTH, orientation), "PNG", exif=exif))
    np.testing.assert_array_equal(decoded, TRUTH)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode(TRUTH, "JPEG", "CMYK"), "a CMYK JPEG cannot be decoded here; convert it to a JPEG in RGB first"),
        (encode(TRUTH, "TIFF"), "a TIFF cannot be decoded here; convert it"),
        (encode(TRUTH, "AVIF"), "an AVIF cannot be decoded here; convert it"),
        (encode(TRUTH, "JPEG2000"), "a JPEG 2000 cannot be decoded here; convert it"),
        (encode(TRUTH, "GIF"), "a GIF cannot be decoded here; convert it"),
        (encode(TRUTH, "WEBP", exif=exif_block(6)), r"a WebP .* cannot be decoded here; convert it"),
        (encode(TRUTH, "BMP", "P"), "a BMP with a palette, masks or compression cannot be decoded here"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "unsupported: an image format that nothing here decodes"),
        (b"no image", "not_an_image: the first bytes are of no image format known here"),
        (b"", "not_an_image: the first bytes are of no image format known here"),
        (encode(TRUTH, "PNG")[:40], "truncated: the file ends before its last pixel"),
        (png_with_size(50_000, 50_000), "too_many_pixels: more pixels than the limit"),
    ],
)
def test_refusals_name_the_format_and_the_way_out(data: bytes, message: str) -> None:
    decode = decoding.function("decode")
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(tf.constant(data), tf.constant(DEFAULT_MAX_PIXELS, tf.int64))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decoding.decode_rgb(data)


def test_the_limit_is_inclusive() -> None:
    data = encode(TRUTH, "PNG")
    height, width = TRUTH.shape[:2]
    np.testing.assert_array_equal(decoding.decode_rgb(data, height * width), TRUTH)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too_many_pixels"):
        decoding.decode_rgb(data, height * width - 1)
