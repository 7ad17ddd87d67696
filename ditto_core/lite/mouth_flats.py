"""The shapes inside a mouth, drawn in the plane of the teeth.

The plane is in centimetres: x right, y up, origin at the centre of the closed seam. Everything in it is on
one raster, `plane_x` by `plane_y`. A shape is a pair (shade, alpha), both (H,W), 0..1. Sizes are chosen by
eye; those of the teeth are about a grown-up's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .curves import smoothstep
from .geometry import Floats

RASTER = 40  # cells per centimetre
LEFT, RIGHT, BOTTOM, TOP = -3.5, 3.5, -3.2, 1.2  # the covered part of the plane, cm

UPPER_EDGE = -0.21  # y of the upper incisors' cutting edge: the closed lower lip hides it
LOWER_EDGE = -0.16  # y of the lower incisors' edge behind them, with the jaw closed
BEHIND_LIPS = 0.6  # cm from the lips back to the plane

# Borders between teeth, cm from the middle, and how far each upper tooth ends above the first.
_UPPER_BORDERS = (0.86, 1.52, 2.28, 2.95, 3.6)
_LOWER_BORDERS = (0.54, 1.12, 1.76, 2.4, 3.05)
_UPPER_RISE = np.array([0.0, 0.07, 0.03, 0.09, 0.13], np.float32)
_UPPER_TONE = np.array([1.0, 0.97, 0.90, 0.84, 0.78], np.float32)


def plane_x() -> Floats:
    """x of every column of the raster in cm, (W,)."""
    return (LEFT + (np.arange(round((RIGHT - LEFT) * RASTER)) + 0.5) / RASTER).astype(np.float32)


def plane_y() -> Floats:
    """y of every row of the raster in cm, top row first, (H,)."""
    return (TOP - (np.arange(round((TOP - BOTTOM) * RASTER)) + 0.5) / RASTER).astype(np.float32)


def height(line: Floats, x: Floats) -> Floats:
    """y (n,) of a line (k,2) that runs from left to right, at x (n,)."""
    return np.interp(x, np.maximum.accumulate(line[:, 0]), line[:, 1]).astype(np.float32)


def upper_teeth(end: float, evenness: float) -> tuple[Floats, Floats]:
    """Incisors, canine and premolars that end at y = `end`, on an arch that turns them away from the light.

    evenness: 0 for teeth with round corners and their own lengths, 1 for one smooth cutting edge.
    """
    x, y = plane_x(), plane_y()[:, None]
    which, place, border = _tooth(x, _UPPER_BORDERS)
    turned = 1 - 0.85 * smoothstep((np.abs(x) - 0.9) / 1.7)
    along = _UPPER_TONE[which] * _enamel(place, border, 0.22) * turned
    above = y - (end + 0.03 * x**2 + (1 - evenness) * (_UPPER_RISE[which] + 0.09 * np.abs(place) ** 5))
    translucent_edge = 0.88 + 0.12 * smoothstep(above / 0.10)
    towards_gum = 1 - 0.22 * smoothstep((above - 0.25) / 0.6)
    return along * translucent_edge * towards_gum, smoothstep(above / 0.05 + 0.5)


def lower_teeth() -> tuple[Floats, Floats]:
    """Smaller than the upper ones and in the shade."""
    x, y = plane_x(), plane_y()[:, None]
    _, place, border = _tooth(x, _LOWER_BORDERS)
    along = 0.70 * _enamel(place, border, 0.26) * (1 - 0.9 * smoothstep((np.abs(x) - 0.5) / 1.5))
    below = LOWER_EDGE - 0.03 * x**2 - 0.05 * np.abs(place) ** 5 - y
    return along * np.ones_like(below), smoothstep(below / 0.06 + 0.5)


def tongue() -> tuple[Floats, Floats]:
    """A dull dome 0.15 cm under the seam that catches the light in front, with a groove along the middle."""
    x, y = plane_x(), plane_y()[:, None]
    inside = np.clip(1 - (x / 1.75) ** 2, 0, 1)
    below = -0.15 - 0.45 * (1 - np.sqrt(inside)) - y
    groove = 1 - 0.14 * np.exp(-((x / 0.16) ** 2))
    shade = (0.45 + 0.55 * smoothstep(below / 0.7)) * groove * (0.6 + 0.4 * inside)
    return shade, 0.9 * smoothstep(below / 0.22) * smoothstep(inside / 0.3)


def _tooth(x: Floats, borders: tuple[float, ...]) -> tuple[NDArray[np.intp], Floats, Floats]:
    """For every x: the tooth from the middle, the place on it (-1..1), cm to its nearer border."""
    edges = np.array((0.0, *borders), np.float32)
    which = np.clip(np.searchsorted(edges, np.abs(x), side="right") - 1, 0, len(borders) - 1)
    near, far = edges[which], edges[which + 1]
    place = np.clip((np.abs(x) - near) / (far - near) * 2 - 1, -1, 1)
    return which, place, np.minimum(np.abs(x) - near, np.abs(far - np.abs(x)))


def _enamel(place: Floats, border: Floats, strength: float) -> Floats:
    """Brightness along a row of rounded teeth with dark borders."""
    return (1 - strength * np.exp(-((border / 0.035) ** 2))) * (1 - 0.10 * place**4)
