from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from etl.images.graph import windows

AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def ramps(height: int, width: int) -> np.ndarray:
    """A picture whose red says how far down a pixel is, its green how far right."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 / height, columns * 255 / width, np.full((height, width), 60)], -1).astype(np.uint8)


def jpeg(pixels: np.ndarray, subsampling: int = 0) -> tf.Tensor:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=98, subsampling=subsampling)
    return tf.constant(data.getvalue())


def window(*edges: int) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(edge) for edge in edges)


def bilinear(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales with half-pixel centres and without antialiasing, in float64."""

    def weights(size: int, wanted: int) -> np.ndarray:
        matrix = np.zeros((wanted, size))
        for row, place in enumerate((np.arange(wanted) + 0.5) * size / wanted - 0.5):
            low = int(np.floor(place))
            for index, share in ((low, 1 - (place - low)), (low + 1, place - low)):
                matrix[row, min(max(index, 0), size - 1)] += share
        return matrix

    return np.einsum("ih,jw,hwc->ijc", weights(pixels.shape[0], height), weights(pixels.shape[1], width), pixels)


@pytest.mark.parametrize("edges", [(0, 0, 60, 90), (7, 11, 25, 30), (59, 89, 1, 1), (10, 0, 31, 90)])
def test_a_window_is_cut_and_scaled_bilinearly(edges: tuple[int, int, int, int]) -> None:
    """Every window here is less than twice the target, which is where the decoder would reduce it."""
    top, left, height, width = edges
    data = jpeg(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8))
    pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    expected = bilinear(pixels[top : top + height, left : left + width], 31, 48)
    for found in (
        windows.decode_window(data, window(*edges), (31, 48)),
        windows.cut_window(tf.constant(pixels), window(*edges), (31, 48)),
    ):
        assert found.dtype == tf.uint8
        np.testing.assert_allclose(found, expected, atol=0.51)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
def test_reduced_decoding_shows_the_same_part(ratio: int, subsampling: int) -> None:
    pixels = ramps(701, 903)
    data = jpeg(pixels, subsampling)
    target = (40, 48)
    top, left, height, width = 33, 57, 40 * ratio + 5, 48 * ratio + 7
    found = windows.decode_window(data, window(top, left, height, width), target).numpy().astype(float)
    expected = bilinear(pixels[top : top + height, left : left + width], *target)
    # A pixel of the reduced picture is `ratio` wide, so the window's edges move by up to that; JPEG itself loses some.
    slack = 5 + ratio * 255 / 701
    np.testing.assert_allclose(found, expected, atol=slack)


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_windows_at_the_far_edge_are_accepted_in_every_reduction(ratio: int) -> None:
    for height, width in ((331, 335), (332, 333), (320, 336)):
        data = jpeg(ramps(height, width))
        for rows, columns in ((16 * ratio, 16 * ratio), (16 * ratio + 1, 16 * ratio + 3)):
            found = windows.decode_window(data, window(height - rows, width - columns, rows, columns), (16, 16))
            assert found[-1, -1, 0] > 235
            assert found[-1, -1, 1] > 235


def test_a_grey_jpeg_gives_three_equal_channels() -> None:
    data = io.BytesIO()
    Image.fromarray(ramps(50, 50)[..., 0]).save(data, "JPEG")
    found = windows.decode_window(tf.constant(data.getvalue()), window(5, 5, 30, 30), (16, 16)).numpy()
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_windows_are_spread_as_asked_for() -> None:
    shape = (375, 500)

    def draw(number: tf.Tensor) -> tf.Tensor:
        return tf.stack(windows.draw_window(tf.constant([*shape, 3], tf.int64), tf.stack([number, 5]), AREA, RATIO))

    drawn = np.array(list(tf.data.Dataset.range(2000).map(draw).as_numpy_iterator()))
    top, left, height, width = drawn.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= shape[0]).all()
    assert (left + width <= shape[1]).all()
    areas, ratios = height * width / (shape[0] * shape[1]), width / height
    assert areas.min() == pytest.approx(0.08, abs=0.02)
    assert areas.max() > 0.95
    assert areas.mean() == pytest.approx(0.37, abs=0.02)
    fits = areas < 0.99
    assert ratios[fits].min() == pytest.approx(3 / 4, abs=0.02)
    assert ratios[fits].max() == pytest.approx(4 / 3, abs=0.02)
    middle = (top + height / 2).mean() / shape[0], (left + width / 2).mean() / shape[1]
    assert middle == pytest.approx((0.5, 0.5), abs=0.02)
    assert len({tuple(row) for row in drawn[areas < 0.9]}) > 0.99 * (areas < 0.9).sum()
