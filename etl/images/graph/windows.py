"""Random windows: where they lie, and the shortest way from a JPEG or pixels to one of them, resized."""

from __future__ import annotations

import tensorflow as tf

# Draws until a window fits into the image; the whole image where none does.
_NUM_ATTEMPTS = 10
# What libjpeg can divide both sides by while it decodes, almost for nothing.
_RATIOS = (1, 2, 4, 8)


def draw_window(
    shape: tf.Tensor, seed: tf.Tensor, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[tf.Tensor, ...]:
    """Draws a window of random area and shape at a random place.

    The sampler is TensorFlow's own. It draws the height evenly from those that fit, so small areas come more often than
    large ones: on average 0.37 of the image for areas from 0.08 to 1.

    Args:
        shape: int64, (3,): height, width and channels of the image.
        seed: int64, (2,); equal seeds draw equal windows.
        area: Smallest and largest area, as shares of the image.
        ratio: Smallest and largest width over height.

    Returns:
        Four int32 scalars: top, left, height and width, in pixels.
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.zeros([1, 0, 4]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=ratio,
        area_range=area,
        max_attempts=_NUM_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    (top, left, _), (height, width, _) = tf.unstack(tf.cast(begin, tf.int32)), tf.unstack(tf.cast(size, tf.int32))
    return top, left, height, width


def decode_window(data: tf.Tensor, window: tuple[tf.Tensor, ...], size: tuple[int, int]) -> tf.Tensor:
    """Decodes one window of a JPEG and resizes it.

    libjpeg skips the transform of what lies outside and stops behind the last row. Where the window is at least two,
    four or eight times the target, it also decodes at that fraction, which is a proper average of the pixels.

    Args:
        data: string scalar, an upright grey or RGB JPEG.
        window: Top, left, height and width, in its pixels.
        size: (height, width) wanted.

    Returns:
        uint8, (*size, 3).
    """
    top, left, height, width = window
    scale = tf.minimum(height // size[0], width // size[1])
    index = sum(tf.cast(scale >= ratio, tf.int32) for ratio in _RATIOS[1:])

    def decode(ratio: int) -> tf.Tensor:
        # The window counts in pixels of the reduced image.
        scaled = tf.stack([top // ratio, left // ratio, height // ratio, width // ratio])
        return tf.io.decode_and_crop_jpeg(data, scaled, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    pixels = tf.switch_case(index, [lambda ratio=ratio: decode(ratio) for ratio in _RATIOS])
    return _scale(pixels, size)


def cut_window(pixels: tf.Tensor, window: tuple[tf.Tensor, ...], size: tuple[int, int]) -> tf.Tensor:
    """Cuts one window out of uint8 (H, W, 3) pixels and resizes it to uint8 (*size, 3)."""
    top, left, height, width = window
    return _scale(pixels[top : top + height, left : left + width], size)


def _scale(pixels: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Scales bilinearly, without antialiasing: the decoder has already halved what is larger than twice the target."""
    # The kernel has vector code for float32 only: with uint8 it takes up to 130 µs longer at 224x224, the cast counted.
    images = tf.cast(pixels, tf.float32)[tf.newaxis]
    scaled = tf.raw_ops.ResizeBilinear(images=images, size=size, half_pixel_centers=True)
    return tf.ensure_shape(tf.squeeze(tf.cast(scaled + 0.5, tf.uint8), 0), (*size, 3))
