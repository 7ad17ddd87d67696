"""Closing eyes: the part of the upper lid that an open eye hides is painted, since no source shows it.

Stretching the visible skin over the eye would smear lashes and shadows of deep-set eyes down the lid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.region import Picture
from .curves import smoothstep
from .geometry import (
    ABOVE_CREASE,
    BELOW_LID,
    EYE_CORNERS,
    LID_CREASE,
    LOWER_LID,
    UPPER_LID,
    Floats,
    transposed,
)
from .sampling import colours_at

# The lid's skin looks like the skin this far from the crease towards the brow.
SKIN_AT = 0.5
# A closed lid comes out of the brow's shadow, most where it bulges over the eyeball: it takes these shares
# of its colour from below the eye, around the bulge and on it.
LIT_AROUND, LIT_BULGE = 0.1, 0.5
# Where between crease (0) and lashes (1) the paint begins to cover and covers fully.
PAINT_FROM, PAINT_FULL = -0.4, 0.3
PAINT_STRENGTH = 0.9
# The paint fades at the inner and the outer end of the eye, shares of its width.
INNER_END, OUTER_END = 0.07, 0.14
# Width of the line of lashes, as a share of the eye's width, and how dark it is.
LASH_WIDTH = 0.04
LASH_STRENGTH = 0.95


@dataclass(frozen=True, eq=False)
class LidLook:
    """Colours of both upper lids, RGB 0..255: skin and lit bulge (2, 7, 3) along the lid, lashes (2, 3)."""

    skin: Floats
    bulge: Floats
    lashes: Floats

    @classmethod
    def from_picture(cls, picture: Picture, landmarks: Floats) -> LidLook:
        """The look of the eyes in RGB uint8 (H, W, 3) with landmarks (478, 3) in pixels."""
        points = landmarks[:, :2]
        eye_width = float(np.linalg.norm(points[EYE_CORNERS[0, 1]] - points[EYE_CORNERS[0, 0]]))
        blur = 0.04 * eye_width
        crease = points[LID_CREASE]
        below = points[BELOW_LID]
        shaded = colours_at(picture, crease + SKIN_AT * (points[ABOVE_CREASE] - crease), blur)
        lit = colours_at(picture, below + (below - points[LOWER_LID]), blur)
        skin, bulge = (_even(shaded + share * (lit - shaded)) for share in (LIT_AROUND, LIT_BULGE))
        edge = colours_at(picture, points[UPPER_LID], blur)
        darkest = np.take_along_axis(edge, edge.sum(axis=2).argsort(axis=1)[:, :3, None], axis=1)
        return cls(skin, bulge, darkest.mean(axis=1))


def paint_lid(image: Picture, look: LidLook, side: int, vertices: Floats, closing: float) -> None:
    """Paint the upper lid of one eye on `image` (h, w, 3) in place.

    side: 0 image-left, 1 image-right; vertices: (468 or more, 2) in the image's pixels; closing: 0..1.
    """
    start, end = vertices[EYE_CORNERS[side]]
    width = float(np.linalg.norm(end - start))
    if width < 2:
        return
    right = (end - start) / width
    axes = np.stack([right, [-right[1], right[0]]])
    along, down = _coordinates(image.shape[:2], start, axes)
    column = np.clip(np.round(along), 0, int(width)).astype(np.intp)
    x = np.arange(int(width) + 1, dtype=np.float32)
    lid = _along_eye(vertices[UPPER_LID[side]], start, end, axes)
    crease = _along_eye(vertices[LID_CREASE[side]], start, end, axes)
    edge, fold = np.interp(x, lid[:, 0], lid[:, 1]), np.interp(x, crease[:, 0], crease[:, 1])
    left_end, right_end = (OUTER_END, INNER_END) if side == 0 else (INNER_END, OUTER_END)
    amount = smoothstep(x / (left_end * width)) * smoothstep((width - x) / (right_end * width))
    amount *= smoothstep(np.array(closing / 0.6))
    skin, lit = (
        np.stack([np.interp(x, lid[1:-1, 0], colours[side, :, c]) for c in range(3)], axis=-1)
        for colours in (look.skin, look.bulge)
    )

    above = _spread(edge, column) - down
    depth = 1 - above * _spread(1 / np.maximum(edge - fold, 1), column)
    strength = _spread(amount, column)
    cover = smoothstep((depth - PAINT_FROM) / (PAINT_FULL - PAINT_FROM)) * np.clip(above + 0.5, 0, 1)
    cover *= PAINT_STRENGTH * strength
    bulge = _spread(np.square(np.sin(np.pi * x / width)), column)
    bulge *= np.square(np.sin(np.pi * np.clip(0.1 + 0.8 * depth, 0, 1)))
    lashes = LASH_STRENGTH * strength * np.exp(-np.square(above * (1 / (LASH_WIDTH * width))))
    paint = _spread(skin, column) + bulge[..., None] * _spread(lit - skin, column)
    painted = _mix(image, paint, cover)
    image[:] = _mix(painted, np.broadcast_to(look.lashes[side], image.shape), lashes)


def _even(colours: Floats) -> Floats:
    """Colours (2, 7, 3) averaged with their neighbours along the lid."""
    along = np.concatenate([colours[:, :1], colours, colours[:, -1:]], axis=1)
    return (along[:, :-2] + along[:, 1:-1] + along[:, 2:]) / 3


def _along_eye(points: Floats, start: Floats, end: Floats, axes: Floats) -> Floats:
    """A line from corner to corner through points (7, 2), in coordinates along both axes (9, 2)."""
    return (np.concatenate([[start], points, [end]]) - start) @ transposed(axes)


def _spread(values: Floats, column: NDArray[np.intp]) -> Floats:
    """Values (n, …) along the eye, for every pixel."""
    return np.take(values.astype(np.float32), column, axis=0)


def _mix(picture: Picture, paint: Floats, cover: Floats) -> Picture:
    cover = cover.astype(np.float32)
    mixed = cv2.blendLinear(picture, paint.astype(np.uint8), 1 - cover, cover)
    return np.asarray(mixed, np.uint8)


def _coordinates(shape: tuple[int, ...], origin: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Distance of every pixel from `origin` along both axes (2, 2)."""
    x = np.arange(shape[1], dtype=np.float32) - origin[0]
    y = np.arange(shape[0], dtype=np.float32)[:, None] - origin[1]
    return axes[0, 0] * x + axes[0, 1] * y, axes[1, 0] * x + axes[1, 1] * y
