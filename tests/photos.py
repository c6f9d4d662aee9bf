"""Small folders of pictures for tests: one directory a class, every file different."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, height: int = 60, width: int = 80) -> np.ndarray:
    """Draws a smooth picture, uint8 (height, width, 3), another one for each seed."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(seed: int, height: int = 60, width: int = 80, **save: object) -> bytes:
    """Encodes `picture` as a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(picture(seed, height, width)).save(stream, "JPEG", quality=90, **save)
    return stream.getvalue()


def make_folder(root: Path, num_images: int, classes: tuple[str, ...] = ("daisy", "roses", "tulips")) -> Path:
    """Writes `num_images` JPEGs, the classes in turn; returns `root`."""
    for number in range(num_images):
        path = root / classes[number % len(classes)] / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number, 50 + number % 7, 70 + number % 5))
    return root
