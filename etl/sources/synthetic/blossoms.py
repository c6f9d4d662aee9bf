"""Draws one flower into a picture: petals are polar functions, looked up from small tables.

A petal's outline, its slope and its shading depend on the angle alone. They are computed in double precision for
`_TURN` angles and gathered for each pixel, so that no sine is taken of a pixel, which would be slower and, as `brush`
tells, not the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from etl.sources.synthetic.brush import Array, Colour, Window, paint, sample, shadow, tint, vary

# Entries of a table over the full circle: half a pixel of arc at a radius of 160 pixels.
_TURN = 2048
# How far one ring's shadow falls on the next, in flower radii.
_CAST = 0.10
# Entries of a table over a tulip's height.
_RISE = 512

# Colours, 0-255, that a class is drawn in. They overlap from class to class, so that shapes have to be learnt.
_DAISIES: tuple[Colour, ...] = ((244, 244, 242), (247, 246, 240), (238, 240, 248), (246, 214, 226), (250, 240, 190))
_DANDELIONS: tuple[Colour, ...] = ((250, 214, 30), (252, 204, 24), (244, 220, 70), (246, 186, 24))
_PUFF_WHITES: tuple[Colour, ...] = ((244, 246, 242), (250, 244, 226), (226, 232, 236))
_ROSES: tuple[Colour, ...] = (
    *((214, 28, 44), (190, 20, 40), (238, 120, 150), (244, 170, 186), (250, 226, 190), (246, 196, 70), (238, 110, 70)),
)
_SUNFLOWERS: tuple[Colour, ...] = ((252, 206, 28), (255, 196, 20), (250, 214, 60), (244, 160, 24), (205, 84, 28))
_SEED_HEADS: tuple[tuple[Colour, Colour], ...] = (
    ((104, 72, 30), (70, 40, 20)),
    ((60, 42, 26), (96, 56, 20)),
    ((110, 110, 40), (124, 84, 24)),
)
_TULIPS: tuple[Colour, ...] = (
    *((216, 30, 40), (236, 84, 40), (250, 206, 40), (240, 140, 170), (150, 60, 140), (246, 240, 226), (196, 30, 80)),
)
# Petals in each ring of a rose, from the outermost in.
_ROSE_RINGS = (5, 4, 4, 3, 3, 2, 2, 1)
# Petals of a tulip, from the hindmost: lean to the side in units of its flare, height of the tip, brightness.
_TULIP_PETALS = ((-0.5, 0.95, 0.72), (0.5, 0.92, 0.74), (-1.0, 0.88, 0.92), (1.0, 0.9, 0.95), (0.03, 0.78, 1.06))


@dataclass(frozen=True, slots=True)
class Outline:
    """One ring of petals as functions of the angle.

    Attributes:
        reach: float32 (_TURN,): the petals' length, 1 for the flower's radius.
        slope: float32 (_TURN,): cosine between the outline's normal and the ray, so that flanks get no ragged edges.
        shade: float32 (_TURN,): brightness around 1.
    """

    reach: Array
    slope: Array
    shade: Array


@cache
def _angles() -> NDArray[np.float64]:
    """Returns the angle, -pi to pi, of each entry of a table over the full circle.

    Entries lie evenly on a diamond, not on a circle: a point's place on it needs one division and no arc tangent.
    """
    place = (np.arange(_TURN) + 0.5) * 4 / _TURN - 2
    across = 1 - np.abs(place)
    along = np.where(np.abs(place) <= 1, place, np.sign(place) * (2 - np.abs(place)))
    angles: NDArray[np.float64] = np.arctan2(along, across)
    return angles


def _polar(window: Window, x: float = 0.0, y: float = 0.0) -> tuple[Array, NDArray[np.intp]]:
    """Returns each pixel's distance from (x, y) in radii and its entry in the tables over the full circle."""
    u, v = window.u - np.float32(x), window.v - np.float32(y)
    span = np.abs(u)
    span += np.abs(v)
    span += np.float32(1e-6)
    place = v / span
    place = np.where(u >= 0, place, np.copysign(np.float32(2), v) - place)
    place += np.float32(2)
    place *= np.float32(_TURN / 4)
    return np.sqrt(u * u + v * v), np.minimum(place.astype(np.intp), _TURN - 1)


def _outline(reach: NDArray[np.float64], shade: NDArray[np.float64]) -> Outline:
    """Adds the slope to a ring's reach and shading."""
    angles = _angles()
    rise = (np.roll(reach, -1) - np.roll(reach, 1)) / ((np.roll(angles, -1) - np.roll(angles, 1)) % (2 * np.pi))
    # Where one petal ends and the next begins the reach jumps; without a bound a hair of paint would run on from there.
    slope = np.maximum(1 / np.sqrt(1 + (rise / np.maximum(reach, 0.05)) ** 2), 0.25)
    return Outline(reach.astype(np.float32), slope.astype(np.float32), shade.astype(np.float32))


def _petals(rng: Random, num: int, length: float, *, width: float, tip: float, uneven: float = 0.12) -> Outline:
    """Makes a ring of petals.

    Args:
        rng: Draws each petal's length, place and brightness.
        num: How many.
        length: The longest petal's, 1 for the flower's radius.
        width: A petal's share of its place on the circle; above 1 they overlap.
        tip: 1 for pointed petals, 2 and more for blunter ones.
        uneven: How much shorter the shortest is.
    """
    place = (_angles() / (2 * np.pi) + rng.random()) % 1.0 * num
    petal = place.astype(np.intp) % num
    offset = (place % 1.0) * 2 - 1 + np.array([rng.uniform(-0.16, 0.16) for _ in range(num)])[petal]
    lengths = length * np.array([1 - uneven * rng.random() for _ in range(num)])[petal]
    tones = np.array([rng.uniform(0.88, 1.04) for _ in range(num)])[petal]
    flank = np.minimum(np.abs(offset) / width, 1.0)
    folds = 0.035 * np.cos(offset * 9.0 + rng.uniform(0, 2 * math.pi)) - 0.10 * offset * rng.choice((-1, 1))
    return _outline(lengths * (1 - flank**tip) ** (1 / max(tip, 1.0)), tones * (1 + folds - 0.14 * flank**3))


def _lay(
    window: Window,
    outline: Outline,
    colours: tuple[Colour, Colour],
    *,
    ripe: float,
    cast: float,
    centre: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Paints one ring of petals, and the shadow that it casts on what is below.

    Args:
        window: Where to paint, in place.
        outline: The petals.
        colours: At the centre, and from `ripe` outwards, 0-255.
        ripe: Where the second colour is reached, in flower radii.
        cast: How dark the shadow is, 0-1.
        centre: The ring's centre from the flower's, in flower radii.
    """
    window = window.narrow(float(outline.reach.max()) + math.hypot(*centre) + _CAST)
    radius, turn = _polar(window, *centre)
    reach = outline.reach.take(turn, mode="clip")
    if cast:
        shadow(window, radius - reach, _CAST, cast)
    alpha = (reach - radius) * (outline.slope.take(turn, mode="clip") * np.float32(window.radius))
    alpha += np.float32(0.5)
    np.clip(alpha, 0, 1, out=alpha)
    blend = np.minimum(radius * np.float32(1 / ripe), 1)
    paint(window, alpha, outline.shade.take(turn, mode="clip") * window.light, colours, blend)


@cache
def _seeds(num: int) -> tuple[Array, ...]:
    """Draws a seed head, `num` dots on a golden spiral, at falling sizes: float32 (n, n), around 1."""
    size, scale = 192, 4
    head = Image.new("L", (size * scale, size * scale), 150)
    pen = ImageDraw.Draw(head)
    dot = size * scale * 0.44 / math.sqrt(num)
    for i in range(num):
        radius, angle = size * scale / 2 * math.sqrt((i + 0.5) / num), i * math.pi * (3 - math.sqrt(5))
        x, y = size * scale / 2 + radius * math.cos(angle), size * scale / 2 + radius * math.sin(angle)
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), 195)
        pen.ellipse((x - dot * 0.7, y - dot * 0.8, x + dot * 0.4, y + dot * 0.3), 255)
    sizes = [size >> step for step in range(5)]
    return tuple(_to_array(head, n, 200) for n in sizes)


@cache
def _puffs() -> tuple[tuple[Array, ...], ...]:
    """Draws three seed balls of a dandelion, each at falling sizes: float32 (n, n), opacity 0-1."""
    puffs = []
    for seed in range(3):
        rng, size = Random(seed), 640
        ball = Image.new("L", (size, size), 0)
        pen = ImageDraw.Draw(ball)
        num = 130
        for i in range(num):
            depth, angle = 1 - (i + 0.5) / num, i * math.pi * (3 - math.sqrt(5)) + rng.uniform(-0.15, 0.15)
            far = math.sqrt(1 - depth * depth) * rng.uniform(0.82, 0.9)
            x, y = size / 2 * (1 + far * math.cos(angle)), size / 2 * (1 + far * math.sin(angle))
            pen.line((size / 2, size / 2, x, y), 90, 2)
            tuft = size * rng.uniform(0.075, 0.1)
            for j in range(15):
                spread = angle + (j + rng.uniform(-0.4, 0.4)) / 15 * 2 * math.pi
                inward = 1 - 0.55 * far * (0.5 - 0.5 * math.cos(spread - angle))
                reach = tuft * inward * rng.uniform(0.8, 1.1)
                pen.line((x, y, x + reach * math.cos(spread), y + reach * math.sin(spread)), rng.randint(130, 235), 2)
        sizes = [size >> step for step in range(1, 6)]
        puffs.append(tuple(_to_array(ball, n, 255) for n in sizes))
    return tuple(puffs)


def _to_array(image: Image.Image, size: int, white: float) -> Array:
    """Scales a square grey image down: float32 (size, size), 1 where it was `white`."""
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX))
    return pixels.astype(np.float32) / np.float32(white)


def _disc(window: Window, rng: Random, size: float, num: int, colours: tuple[Colour, Colour]) -> None:
    """Paints a flower's middle: a dome of seeds, `size` flower radii wide, from the inner colour to the rim's."""
    window = window.narrow(size * 1.5)
    radius = np.sqrt(window.u * window.u + window.v * window.v)
    shadow(window, radius - np.float32(size), size * 0.45, 0.45)
    alpha = np.clip((np.float32(size) - radius) * np.float32(window.radius) + np.float32(0.5), 0, 1)
    dome = np.minimum(radius * np.float32(1 / size), 1)
    grain = sample(window, _seeds(num), size * 1.04, rng.uniform(0, 2 * math.pi))
    rounded = grain * (np.float32(1.08) - np.float32(0.3) * dome * dome) * window.light
    paint(window, alpha, rounded, colours, dome * dome)


def _daisy(window: Window, rng: Random) -> None:
    """Paints slim white or blush petals around a yellow middle."""
    petal = vary(rng, rng.choice(_DAISIES), 7)
    num = rng.randint(13, 21)
    for length, cast in ((1.0, 0.0), (0.93, 0.22)):
        ring = _petals(rng, num, length, width=rng.uniform(0.86, 1.05), tip=rng.uniform(2.0, 2.8), uneven=0.16)
        _lay(window, ring, (tint(petal, 0.8, 0.8, 0.8), petal), ripe=0.7, cast=cast)
    yellow, rim = vary(rng, (246, 196, 32)), vary(rng, (222, 146, 18))
    _disc(window, rng, rng.uniform(0.24, 0.34), 160, (yellow, rim))


def _sunflower(window: Window, rng: Random) -> None:
    """Paints pointed yellow to russet petals around a wide dark head of seeds."""
    petal = vary(rng, rng.choice(_SUNFLOWERS))
    num = rng.randint(17, 26)
    for length, cast in ((1.0, 0.0), (0.95, 0.3), (0.84, 0.3)):
        ring = _petals(rng, num, length, width=rng.uniform(0.95, 1.15), tip=rng.uniform(1.35, 1.7), uneven=0.2)
        _lay(window, ring, (tint(petal, 0.86, 0.66, 0.4), petal), ripe=0.85, cast=cast)
    size = rng.uniform(0.40, 0.52)
    core, rim = rng.choice(_SEED_HEADS)
    _disc(window, rng, size, 330, (vary(rng, core), vary(rng, rim)))


def _dandelion(window: Window, rng: Random) -> None:
    """Paints a crowded yellow head of narrow florets, or the ball of seeds that it turns into."""
    if rng.random() < 0.5:
        _puff(window, rng)
        return
    yellow = vary(rng, rng.choice(_DANDELIONS))
    for step in range(6):
        length = 1 - 0.15 * step
        ring = _petals(rng, rng.randint(30, 38) - 3 * step, length, width=0.8, tip=2.6, uneven=0.28)
        _lay(window, ring, (tint(yellow, 0.88, 0.74, 0.45), yellow), ripe=length, cast=0.3 if step else 0.0)


def _puff(window: Window, rng: Random) -> None:
    """Paints a dandelion's ball of seeds, through which one can see."""
    radius = np.sqrt(window.u * window.u + window.v * window.v)
    white = vary(rng, rng.choice(_PUFF_WHITES), 8)
    haze = np.clip((np.float32(0.94) - radius) * np.float32(5), 0, 1) * np.float32(rng.uniform(0.22, 0.4))
    paint(window, haze, window.light, (tint(white, 0.74, 0.74, 0.74), white), radius)
    core = np.clip((np.float32(0.2) - radius) * np.float32(14), 0, 1) * np.float32(0.85)
    paint(window, core, window.light, (vary(rng, (96, 78, 44)), vary(rng, (120, 120, 70))), radius)
    threads = sample(window, rng.choice(_puffs()), 1.0, rng.uniform(0, 2 * math.pi))
    paint(window, threads, window.light, (white, white), radius)


def _rose(window: Window, rng: Random) -> None:
    """Paints rings of broad petals that close towards the middle, and the leaves behind them."""
    green = vary(rng, (70, 106, 44))
    leaves = _petals(rng, rng.randint(4, 6), 1.0, width=0.55, tip=1.6, uneven=0.2)
    _lay(window, leaves, (tint(green, 0.6, 0.6, 0.6), green), ripe=1.0, cast=0.0)
    rim = vary(rng, rng.choice(_ROSES))
    base = tint(rim, 0.66, 0.46, 0.50)
    lean, toward = rng.uniform(0.05, 0.2), rng.uniform(0, 2 * math.pi)
    for step, num in enumerate(_ROSE_RINGS):
        inward = step / len(_ROSE_RINGS)
        length = 0.9 * (1 - inward) ** 0.8
        centre = (lean * inward * math.cos(toward), lean * inward * math.sin(toward))
        ring = _frill(rng, num, length)
        _lay(window, ring, (base, rim), ripe=length * 0.95, cast=0.5 if step else 0.3, centre=centre)


def _frill(rng: Random, num: int, length: float) -> Outline:
    """Makes a ring of broad petals, each of which disappears under the next."""
    place = (_angles() / (2 * np.pi) + rng.random()) % 1.0 * num
    petal, offset = place.astype(np.intp) % num, place % 1.0
    lengths = length * np.array([rng.uniform(0.9, 1.0) for _ in range(num)])[petal]
    tones = np.array([rng.uniform(0.92, 1.06) for _ in range(num)])[petal]
    curve = 1.02 - 0.26 * np.maximum(offset, 0.12) ** 2.5 - 1.5 * np.maximum(0.12 - offset, 0)
    return _outline(lengths * curve, tones * (1.1 - 0.36 * offset**1.5))


def _tulip(window: Window, rng: Random) -> None:
    """Paints a cup of five petals, seen from the side."""
    tip = vary(rng, rng.choice(_TULIPS))
    foot = vary(rng, rng.choice((tint(tip, 0.7, 0.6, 0.6), (244.0, 200.0, 60.0), (236.0, 226.0, 190.0))), 8)
    flare, half = rng.uniform(0.30, 0.48), rng.uniform(0.34, 0.42)
    for lean, top, tone in _TULIP_PETALS:
        _cup_petal(window, rng, (foot, tip), lean=lean * flare, half=half, top=top, tone=tone)


def _cup_petal(
    window: Window, rng: Random, colours: tuple[Colour, Colour], *, lean: float, half: float, top: float, tone: float
) -> None:
    """Paints one petal of a tulip, from the cup's foot at v = 0.9 up to its tip at v = -top."""
    height, span = np.linspace(0, 1, _RISE), 0.9 + top
    widths = half * np.sin(np.pi * height**0.62) ** 0.75 * (1 - 0.25 * height)
    centres = lean * np.sin(np.pi * 0.62 * height) * (1 - 0.12 * height)
    steep = 1 / np.sqrt(1 + (np.gradient(np.abs(centres) + widths, height) / span) ** 2)
    rise = (np.float32(0.9) - window.v) * np.float32(1 / span)
    row = np.clip(rise * np.float32(_RISE - 1), 0, _RISE - 1).astype(np.intp)
    width = widths.astype(np.float32).take(row)
    across = window.u - centres.astype(np.float32).take(row)
    beside = np.abs(across) - width
    beyond = np.maximum(np.maximum(-rise, rise - np.float32(1)), 0) * np.float32(3.2)
    shadow(window, beside + beyond, 0.08, 0.38)
    alpha = np.float32(0.5) - beside * (steep.astype(np.float32).take(row) * np.float32(window.radius))
    alpha = np.clip(alpha, 0, 1) * ((rise > 0) & (rise < 1))
    flank = np.clip(across / (width + np.float32(0.02)), -1, 1)
    veins = np.interp(np.linspace(0, 47, 192), np.arange(48), [rng.uniform(-0.05, 0.05) for _ in range(48)])
    light = veins.astype(np.float32).take(((flank + np.float32(1)) * np.float32(95.5)).astype(np.intp))
    light += np.float32(tone) - np.float32(0.24) * flank * flank
    blend = np.clip(rise * np.float32(1.9) - np.float32(0.15), 0, 1)
    paint(window, alpha, light * window.light, colours, blend)


# What paints a flower of each class, in the order of the class names.
PAINTERS: Mapping[str, Callable[[Window, Random], None]] = MappingProxyType(
    {"daisy": _daisy, "dandelion": _dandelion, "roses": _rose, "sunflowers": _sunflower, "tulips": _tulip}
)
