"""Draws images of flowers that nobody took, with classes that can be learnt.

A picture is built from back to front: a background out of focus, leaves, stems, flowers, and then what a camera adds:
a slant of light, darker corners, grain. Sizes and file sizes follow the TensorFlow flowers set. Backgrounds are alike
for all classes and the flowers' colours overlap, so that the shapes have to be learnt.
"""

from __future__ import annotations

import io
import math
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from etl.sources.synthetic.blossoms import PAINTERS
from etl.sources.synthetic.brush import Array, Colour, open_window, vary

CLASS_NAMES: tuple[str, ...] = tuple(PAINTERS)

# (width, height) and how often it occurs among 1,000 pictures of the flowers set; rarer sizes go to their neighbours.
_SIZES: dict[tuple[int, int], int] = {
    (500, 333): 203, (320, 240): 210, (320, 213): 140, (240, 240): 87, (180, 240): 72, (500, 375): 56, (500, 332): 46,
    (159, 240): 52, (500, 334): 26, (500, 331): 26, (500, 281): 20, (320, 212): 14, (320, 256): 16, (320, 228): 16,
    (500, 313): 16,
}  # fmt: skip
# (flowers, smallest and largest radius as shares of the shorter side) and how often.
_CROWDS: dict[tuple[int, float, float], int] = {
    (1, 0.30, 0.50): 40,
    (2, 0.22, 0.34): 25,
    (3, 0.17, 0.28): 20,
    (6, 0.11, 0.20): 15,
}
# JPEG qualities and how often, from the set's own quantisation tables.
_QUALITIES: dict[int, int] = {92: 63, 98: 31, 84: 6}

# (sky or far ground, near ground, where the horizon is), each a mood that any class can have.
_MOODS: tuple[tuple[Colour, Colour, float], ...] = (
    ((128, 160, 84), (64, 112, 44), 0.4),
    ((104, 164, 226), (92, 134, 62), 0.72),
    ((150, 192, 232), (120, 150, 84), 0.8),
    ((34, 46, 34), (40, 62, 30), 0.5),
    ((196, 160, 104), (104, 100, 52), 0.55),
    ((124, 132, 112), (84, 96, 70), 0.5),
    ((176, 168, 176), (122, 126, 110), 0.6),
    ((86, 128, 58), (46, 84, 36), 0.3),
    ((210, 206, 196), (136, 160, 104), 0.6),
)
# What blurs into discs of light: leaves, sky through leaves, and flowers of any class.
_BOKEH: tuple[Colour, ...] = (
    (170, 200, 110), (230, 236, 220), (120, 160, 80), (244, 214, 90), (226, 90, 90), (240, 170, 190), (60, 84, 46),
    (250, 250, 244), (190, 140, 190),
)  # fmt: skip


def draw_flower(class_name: str, rng_seed: int) -> NDArray[np.uint8]:
    """Draws one image of flowers.

    Args:
        class_name: One of `CLASS_NAMES`.
        rng_seed: Any whole number; equal ones give equal pictures.

    Returns:
        uint8 (height, width, 3), 0-255, RGB.

    Raises:
        KeyError: `class_name` is none of `CLASS_NAMES`.
    """
    return _draw(class_name, Random(rng_seed))


def draw_jpeg(class_name: str, rng_seed: int) -> bytes:
    """Draws one image of flowers, as the JPEG file that a camera would write.

    Args:
        class_name: One of `CLASS_NAMES`.
        rng_seed: Any whole number; equal ones give equal files.

    Returns:
        A baseline JPEG without chroma subsampling, as the flowers set's are; about 9 to 240 kB.

    Raises:
        KeyError: `class_name` is none of `CLASS_NAMES`.
    """
    rng = Random(rng_seed)
    pixels = _draw(class_name, rng)
    quality = rng.choices(tuple(_QUALITIES), tuple(_QUALITIES.values()))[0]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


def _draw(class_name: str, rng: Random) -> NDArray[np.uint8]:
    """Draws one image, with all chances from `rng`."""
    painter = PAINTERS[class_name]
    width, height = rng.choices(tuple(_SIZES), tuple(_SIZES.values()))[0]
    picture = _background(rng, width, height)
    angle = rng.uniform(-2.6, -0.5)
    light = (math.cos(angle), math.sin(angle), rng.uniform(0.06, 0.2))
    leaves = rng.choice(((0,), (0, 1), (2, 3)))
    for x, y, radius in _places(rng, width, height):
        turn, squash = rng.uniform(-0.35, 0.35), 1.0
        if class_name != "tulips":
            turn, squash = rng.uniform(0, 2 * math.pi), rng.uniform(0.72, 1.0)
        half = radius * rng.uniform(0.045, 0.075) + 1
        _stalk(picture, rng, x, y, half, rng.uniform(-0.3, 0.3), 0)
        for _ in range(rng.choice(leaves)):
            blade = half * rng.uniform(1.2, 2.4)
            aside, above = radius * rng.uniform(-0.9, 0.9), radius * rng.uniform(0.5, 1.6)
            _stalk(picture, rng, x + aside, y + above, blade, rng.uniform(-0.5, 0.5), 0.9)
        window = open_window(picture, x, y, radius, light, turn=turn, squash=squash)
        if window:
            painter(window, rng)
    return _expose(picture, rng)


def _places(rng: Random, width: int, height: int) -> list[tuple[float, float, float]]:
    """Chooses x, y and radius, in pixels, of a close-up, a group or a bed of flowers, from back to front."""
    side = min(width, height)
    num, low, high = rng.choices(tuple(_CROWDS), tuple(_CROWDS.values()))[0]
    places: list[tuple[float, float, float]] = []
    for _ in range(num * 4):
        radius = side * rng.uniform(low, high)
        x = rng.uniform(0.22, 0.78) * width if num == 1 else rng.uniform(0.08, 0.92) * width
        y = rng.uniform(0.3, 0.62) * height if num < 3 else rng.uniform(0.2, 0.8) * height
        if all(math.hypot(x - a, y - b) > 0.8 * (radius + r) for a, b, r in places):
            places.append((x, y, radius))
        if len(places) == num:
            break
    return sorted(places, key=lambda place: place[2])


@cache
def _grain() -> Array:
    """Returns what a sensor adds: float32 (1024, 1024), mean 0, deviation 1, coarser than single pixels."""
    noise = np.random.default_rng(0).standard_normal((1026, 1026)).astype(np.float32)
    rows = noise[:-2] + 2 * noise[1:-1] + noise[2:]
    smooth = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 6
    grain: Array = (smooth + np.float32(0.5) * noise[1:-1, 1:-1]) / np.float32(1.385)
    return grain


def _cut(rng: Random, tile: Array, width: int, height: int) -> Array:
    """Returns a random part of a tile, perhaps mirrored."""
    left, top = rng.randrange(tile.shape[1] - width + 1), rng.randrange(tile.shape[0] - height + 1)
    part = tile[top : top + height, left : left + width]
    return part[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]


@cache
def _foliage() -> Array:
    """Draws a thicket of leaves, the upper ones lighter: float32 (1024, 1024), brightness around 0."""
    rng, size, num = Random(0), 1024, 9000
    image = Image.new("L", (size, size), 50)
    pen = ImageDraw.Draw(image)
    for i in range(num):
        x, y, angle = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0, 2 * math.pi)
        length, wide = rng.uniform(9, 34), rng.uniform(0.16, 0.30)
        ahead, aside = math.cos(angle) * length, math.sin(angle) * length
        shade = 40 + 160 * i / num * rng.uniform(0.3, 1.0)
        for side, tone in ((wide, shade), (-wide, shade * 0.8)):
            rim = ((0.0, 0.0), (0.15, 0.6), (0.35, 1.0), (0.6, 0.85), (0.85, 0.3), (1.0, 0.0))
            pen.polygon(
                [(x + ahead * far - aside * side * out, y + aside * far + ahead * side * out) for far, out in rim],
                int(tone),
            )
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.5))).astype(np.float32) / np.float32(112) - np.float32(1)


def _clouds(rng: Random, width: int, height: int, cells: int) -> Array:
    """Returns soft lumps, about `cells` across: float32 (height, width), mean about 0, deviation below 1."""
    coarse = np.ascontiguousarray(_cut(rng, _grain(), cells + 2, cells * height // width + 2))
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def _background(rng: Random, width: int, height: int) -> Array:
    """Draws what is behind the flowers, from out of focus to nearly sharp: float32 (3, height, width), 0-255."""
    far, near, horizon = rng.choice(_MOODS)
    far, near = vary(rng, far, 22), vary(rng, near, 22)
    w, h = (width + 1) // 2, (height + 1) // 2
    ground = np.clip((np.linspace(0, 1, h) - horizon - rng.uniform(-0.2, 0.2)) * rng.uniform(2, 7) + 0.5, 0, 1)
    ground = np.clip(ground[:, None] + 0.25 * _clouds(rng, w, h, 5), 0, 1)
    lumps = 1 + 0.14 * _clouds(rng, w, h, 6) + 0.10 * _clouds(rng, w, h, 17) * ground
    colours = np.array(far), np.array(near)
    backdrop = (colours[0] + (colours[1] - colours[0]) * ground[..., None]) * lumps[..., None]
    image = Image.fromarray(np.clip(backdrop, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image, "RGBA")
    size = rng.uniform(0.03, 0.12)
    for _ in range(rng.choice((0, 6, 14, 26))):
        _dot(pen, rng, w, h, size)
    if rng.random() < 0.6:
        _grass(pen, rng, w, h, near)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 3.0)))
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    picture = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
    _thicken(picture, rng, horizon - rng.uniform(0.0, 1.1 - horizon))
    return picture


def _thicken(picture: Array, rng: Random, start: float) -> None:
    """Grows leaves over a picture, in place, from `start` of its height down."""
    clutter = rng.betavariate(1.1, 1.1)
    if clutter < 0.15:
        return
    _, height, width = picture.shape
    fade = np.clip((np.linspace(0, 1, height) - start) * 2.5, 0, clutter).astype(np.float32)[:, None]
    leaves = _cut(rng, _foliage(), width, height) * fade + np.float32(1)
    for channel, tint in enumerate((-0.15, 0.05, -0.35)):
        picture[channel] *= leaves + fade * np.float32(tint)


def _dot(pen: ImageDraw.ImageDraw, rng: Random, width: int, height: int, size: float) -> None:
    """Draws one disc of light, about `size` of the picture's width."""
    red, green, blue = vary(rng, rng.choice(_BOKEH), 20)
    x, y, radius = rng.uniform(0, width), rng.uniform(0, height), width * size * rng.uniform(0.4, 1.2)
    box = (x - radius, y - radius, x + radius, y + radius)
    pen.ellipse(box, (int(red), int(green), int(blue), rng.randint(40, 130)))


def _grass(pen: ImageDraw.ImageDraw, rng: Random, width: int, height: int, near: Colour) -> None:
    """Draws blades of grass from the lower edge up."""
    top = rng.uniform(0.3, 0.8)
    for _ in range(rng.randint(30, 90)):
        red, green, blue = vary(rng, near, 45)
        x, reach = rng.uniform(-0.1, 1.1) * width, height * (1 - top * rng.uniform(0.5, 1.2))
        lean = rng.gauss(0, 0.25) * reach
        points = ((x, height + 2), (x + lean * 0.35, height - reach * 0.6), (x + lean, height - reach))
        pen.line(points, (int(red), int(green), int(blue), 190), rng.choice((1, 2, 2, 3)))


def _stalk(picture: Array, rng: Random, x: float, y: float, half: float, bend: float, point: float) -> None:
    """Paints a stem or a blade from a point down to the lower edge, in place.

    Args:
        picture: float32 (3, height, width), 0-255.
        rng: Draws its colour.
        x: The upper end, pixels from the left.
        y: The upper end, pixels from the top.
        half: Half of its greatest width in pixels.
        bend: How far its foot is from below its upper end, over its height.
        point: The share of its height over which it grows to its full width; 0 for a stem's blunt end.
    """
    height, width = picture.shape[1:]
    top, foot = max(0, int(y)), x + bend * (height - y)
    left, right = max(0, int(min(x, foot) - half - 2)), min(width, int(max(x, foot) + half + 3))
    if right - left < 2 or top >= height - 2:
        return
    down = (np.arange(top, height, dtype=np.float32)[:, None] - np.float32(y)) * np.float32(1 / (height - y))
    across = np.arange(left, right, dtype=np.float32) - (np.float32(x) + down * down * np.float32(foot - x))
    widths = np.float32(half) * np.sqrt(np.clip(down * np.float32(1 / point), 0, 1)) if point else np.float32(half)
    alpha = np.clip(widths + np.float32(0.5) - np.abs(across), 0, 1)
    light = np.float32(0.95) - across * np.float32(0.35 / half)
    green = vary(rng, rng.choice(((96, 140, 60), (120, 156, 84), (84, 112, 50))), 16)
    for channel, colour in enumerate(green):
        view = picture[channel, top:height, left:right]
        view += (light * np.float32(colour) - view) * alpha


def _expose(picture: Array, rng: Random) -> NDArray[np.uint8]:
    """Takes the picture: slant of light, dark corners, white balance, grain. Changes `picture`."""
    _, height, width = picture.shape
    row = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    column = np.linspace(-1, 1, width, dtype=np.float32)
    corner = np.float32(rng.uniform(0.02, 0.14))
    rows = np.float32(rng.uniform(-0.14, 0.14)) * row - corner * row * row
    columns = np.float32(rng.uniform(-0.14, 0.14)) * column - corner * column * column
    exposure, warmth = rng.uniform(0.82, 1.12), rng.uniform(-0.07, 0.07)
    gain = rows + (columns + np.float32(exposure + corner * 0.6))
    grain = _cut(rng, _grain(), width, height) * np.float32(min(11.0, rng.lognormvariate(1.2, 0.7)))
    bands = []
    for channel, tint in enumerate((1 + warmth, 1.0, 1 - warmth)):
        band = picture[channel]
        band *= gain * np.float32(tint)
        band += grain
        np.clip(band, 0, 255, out=band)
        bands.append(Image.fromarray(band.astype(np.uint8)))
    return np.asarray(Image.merge("RGB", bands))
