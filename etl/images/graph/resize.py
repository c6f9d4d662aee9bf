"""Resizing inside the graph: bilinear with antialiasing, rounded, bit for bit what `tf.image.resize` gives."""

from __future__ import annotations

import tensorflow as tf

RESIZES = ("pad", "crop", "stretch")


@tf.autograph.experimental.do_not_convert
def resize_image(image: tf.Tensor, height: int, width: int, resize: str) -> tf.Tensor:
    """Resizes one image.

    `pad` scales it to fit and centres it on black: one side is `height` or `width`, the other the exact length rounded
    half up, at least 1. `crop` cuts the largest centred window of the target's shape (its other side likewise rounded
    half up, at least 1) and scales that. `stretch` scales both axes. Where a margin is odd, the smaller half is at the
    top or left.

    Args:
        image: uint8, (H, W, 3), H and W at least 1.
        height: Rows of the result, at least 1.
        width: Columns of the result, at least 1.
        resize: `pad`, `crop` or `stretch`.

    Returns:
        uint8, (height, width, 3).

    Raises:
        ValueError: `resize` is none of the three.
    """
    if resize not in RESIZES:
        raise ValueError(f"resize: got {resize!r}, expected one of {', '.join(RESIZES)}")
    with tf.device("/CPU:0"):
        image = tf.convert_to_tensor(image, tf.uint8)
        if resize == "crop":
            image = _crop_to_shape(image, height, width)
        if resize == "pad":
            rows, columns = _fitting_size(image, height, width)
            top, left = (height - rows) // 2, (width - columns) // 2
            margins = [[top, height - rows - top], [left, width - columns - left], [0, 0]]
            result = tf.pad(_scale(image, rows, columns), margins)
        else:
            result = _scale(image, tf.constant(height), tf.constant(width))
        return tf.ensure_shape(result, (height, width, 3))


def _sides(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(image, tf.int64)
    return shape[0], shape[1]


def _divide(dividend: tf.Tensor, divisor: tf.Tensor) -> tf.Tensor:
    """Divides positive int64 scalars, rounding half up, at least 1; as int32."""
    return tf.cast(tf.maximum((2 * dividend + divisor) // (2 * divisor), 1), tf.int32)


def _fitting_size(image: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the largest (rows, columns) of the image's own shape within (height, width)."""
    rows, columns = _sides(image)
    is_wide = columns * height >= rows * width
    return (
        tf.where(is_wide, _divide(rows * width, columns), height),
        tf.where(is_wide, width, _divide(columns * height, rows)),
    )


def _crop_to_shape(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Cuts the centred window that will be scaled.

    Cutting before scaling bounds the work: scaling a line of 1x65500 pixels until it covers a square would not.
    """
    rows, columns = _sides(image)
    is_wide = columns * height >= rows * width
    crop_rows = tf.where(is_wide, tf.cast(rows, tf.int32), _divide(columns * height, tf.constant(width, tf.int64)))
    crop_columns = tf.where(is_wide, _divide(rows * width, tf.constant(height, tf.int64)), tf.cast(columns, tf.int32))
    top = (tf.cast(rows, tf.int32) - crop_rows) // 2
    left = (tf.cast(columns, tf.int32) - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]


def _scale(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Scales to (height, width), one axis after the other, rows first.

    `tf.image.resize` calls the same kernel once for both axes, and it walks along each row pixel by pixel, three floats
    at a time. Here each pass sees a whole row as one pixel's channels, and the image lies on its side for the second:
    the same sums in the same order, the same bits, in 1.0 instead of 1.8 ms for a 500x375 image to 224.
    """
    rows, columns = tf.unstack(tf.shape(image)[:2])
    scaled = _scale_rows(tf.reshape(image, [rows, columns * 3]), height)
    scaled = _scale_rows(tf.reshape(tf.transpose(scaled), [columns, 3 * height]), width)
    scaled = tf.transpose(tf.reshape(scaled, [width * 3, height]))
    # No clipping: the weights of a bilinear kernel are positive and sum to 1.
    return tf.reshape(tf.cast(tf.round(scaled), tf.uint8), [height, width, 3])


def _scale_rows(values: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
    """Scales the first axis of uint8 or float32, (H, N), to float32, (height, N)."""
    scale = tf.cast(height, tf.float32) / tf.cast(tf.shape(values)[0], tf.float32)
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=values[tf.newaxis, :, tf.newaxis],
        size=tf.stack([height, 1]),
        scale=tf.stack([scale, 1.0]),
        translation=tf.zeros([2]),
        kernel_type="triangle",
        antialias=True,
    )
    return scaled[0, :, 0]
