"""Paint on pictures: a window on the part that one thing covers, colours, shadows, textures.

A picture is float32 (3, height, width), channels red, green and blue from 0 to 255, and is painted in place. On pixels
there are only additions, multiplications, divisions and square roots, which round alike on every processor. NumPy's
single-precision sines don't, from one vector extension to the next, and two machines of one cluster must draw the same
bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a picture that one flower covers.

    Attributes:
        view: float32 (3, height, width), 0-255: a view of the picture, painted in place.
        u: float32 (height, width): across the flower, -1 to 1 from edge to edge.
        v: float32 (height, width): along the flower, positive towards its foot.
        light: float32 (height, width): brightness around 1, from the side where the light is.
        x: The flower's centre in pixels from the view's left.
        y: The flower's centre in pixels from the view's top.
        radius: The flower's radius in pixels.
    """

    view: Array
    u: Array
    v: Array
    light: Array
    x: float
    y: float
    radius: float

    def narrow(self, reach: float) -> Window:
        """Returns the part within `reach` flower radii of the centre, at least one pixel of it."""
        height, width = self.u.shape
        left, top = max(0, int(self.x - reach * self.radius)), max(0, int(self.y - reach * self.radius))
        rows = slice(min(top, height - 1), max(1, int(self.y + reach * self.radius) + 2))
        columns = slice(min(left, width - 1), max(1, int(self.x + reach * self.radius) + 2))
        part = (rows, columns)
        view = self.view[:, rows, columns]
        return Window(view, self.u[part], self.v[part], self.light[part], self.x - left, self.y - top, self.radius)


def open_window(
    picture: Array, x: float, y: float, radius: float, light: Colour, *, turn: float = 0.0, squash: float = 1.0
) -> Window | None:
    """Cuts out the square of a picture that a flower covers.

    Args:
        picture: float32 (3, height, width), 0-255.
        x: The flower's centre in pixels from the left.
        y: The flower's centre in pixels from the top.
        radius: The flower's radius in pixels.
        light: The light's direction across and down, and its strength.
        turn: Radians by which the flower's own axes are turned.
        squash: Height over width of a flower seen from the side, 0 to 1, along its own second axis.

    Returns:
        The window, or None where the flower is outside the picture.
    """
    left, top = max(0, int(x - radius) - 1), max(0, int(y - radius) - 1)
    right, bottom = min(picture.shape[2], int(x + radius) + 2), min(picture.shape[1], int(y + radius) + 2)
    if right - left < 2 or bottom - top < 2:
        return None
    across = ((np.arange(left, right) - x) / radius).astype(np.float32)
    down = ((np.arange(top, bottom) - y) / radius).astype(np.float32)[:, None]
    cosine, sine = math.cos(turn), math.sin(turn)
    u = across * np.float32(cosine) + down * np.float32(sine)
    v = (down * np.float32(cosine) - across * np.float32(sine)) * np.float32(1 / squash)
    shine = across * np.float32(light[0] * light[2]) + (down * np.float32(light[1] * light[2]) + np.float32(1))
    return Window(picture[:, top:bottom, left:right], u, v, shine, x - left, y - top, radius)


def paint(window: Window, alpha: Array, light: Array, colours: tuple[Colour, Colour], blend: Array) -> None:
    """Lays a shaded colour over a window.

    Args:
        window: Where to paint, in place.
        alpha: float32 (height, width), 0-1: how opaque the paint is.
        light: float32 (height, width): brightness around 1.
        colours: Two colours, 0-255.
        blend: float32 (height, width), 0-1: 0 for the first colour, 1 for the second.
    """
    for channel in range(3):
        first, second = colours[0][channel], colours[1][channel]
        colour = blend * np.float32(second - first)
        colour += np.float32(first)
        colour *= light
        colour -= window.view[channel]
        colour *= alpha
        window.view[channel] += colour


def shadow(window: Window, distance: Array, width: float, depth: float) -> None:
    """Darkens a window near an edge that lies above it.

    Args:
        window: Where to paint, in place.
        distance: float32 (height, width): how far outside the edge, in flower radii; negative is inside.
        width: How far the shadow reaches, in flower radii.
        depth: How much it darkens at the edge, 0-1.
    """
    dark = distance * np.float32(depth / width)
    dark += np.float32(1 - depth)
    np.clip(dark, 1 - depth, 1, out=dark)
    window.view[...] *= dark


def sample(window: Window, textures: tuple[Array, ...], size: float, turn: float) -> Array:
    """Looks up a square texture at every pixel of a window, between its four neighbours.

    Args:
        window: Where.
        textures: The same texture at falling sizes, float32 (n, n); the smallest that is fine enough is taken.
        size: Half of the texture's side in flower radii; its middle is the flower's.
        turn: Radians by which it is turned.

    Returns:
        float32 (height, width), 0 outside the texture.
    """
    wanted = 2 * size * window.radius
    texture = next((t for t in reversed(textures) if t.shape[0] >= wanted), textures[0])
    half = texture.shape[0] / 2
    cosine, sine = np.float32(math.cos(turn) * half / size), np.float32(math.sin(turn) * half / size)
    x = window.u * cosine + window.v * sine + np.float32(half - 0.5)
    y = window.v * cosine - window.u * sine + np.float32(half - 0.5)
    inside = (x >= 0) & (y >= 0) & (x < texture.shape[0] - 1) & (y < texture.shape[0] - 1)
    left, top = np.where(inside, x, 0).astype(np.intp), np.where(inside, y, 0).astype(np.intp)
    along, down = x - left, y - top
    place, width, flat = top * texture.shape[0] + left, texture.shape[0], texture.ravel()
    upper = flat.take(place) * (1 - along) + flat.take(place + 1) * along
    lower = flat.take(place + width) * (1 - along) + flat.take(place + width + 1) * along
    return np.where(inside, upper * (1 - down) + lower * down, np.float32(0))


def tint(colour: Colour, red: float, green: float, blue: float) -> Colour:
    """Returns a colour with each channel, 0-255, multiplied by its own factor."""
    return colour[0] * red, colour[1] * green, colour[2] * blue


def vary(rng: Random, colour: Colour, spread: float = 14.0) -> Colour:
    """Returns a colour near another.

    Args:
        rng: Draws it.
        colour: Where to start, 0-255 each.
        spread: How far all channels move together at most; each moves by up to half of this on its own.
    """
    common = rng.uniform(-spread, spread)
    red, green, blue = (min(255.0, max(0.0, c + common + rng.uniform(-spread, spread) / 2)) for c in colour)
    return red, green, blue
