"""Makes JPEGs."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def encode_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """Encodes pixels as a baseline JPEG; the same pixels give the same bytes with the same release of Pillow.

    The colours keep their full resolution (4:4:4): these pixels were encoded once already and are often small. On
    images at 224x224 and quality 95 that is 41 instead of 36 dB, for a third more bytes and a tenth more time to
    decode.

    Args:
        rgb: uint8, (H, W, 3), 0-255, neither side over `header.MAX_SIDE`.
        quality: 1-100, libjpeg's.

    Returns:
        The file.
    """
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(
        buffer,
        "JPEG",
        quality=quality,
        subsampling="4:4:4",
        optimize=False,
        progressive=False,
        exif=b"",
        icc_profile=b"",
    )
    return buffer.getvalue()
