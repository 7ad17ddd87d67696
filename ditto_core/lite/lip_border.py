"""How far teeth reach over the lips' inner border, as the landmarks see it.

The mesh draws the inner border of open lips a little too far inwards. Lips that carry a row of teeth along
when they close look wrong at once, so their colour is taken from where the picture says the lip begins.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import LOWER_LIP, UPPER_LIP, Floats
from .sampling import colours_at

# Shares of the way from a lip's inner border (row 3) to row 1.
USUAL, FURTHEST = 0.45, 0.8
BEYOND_BORDER = 0.15
STEPS = np.linspace(0, 1, 13, dtype=np.float32)[:, None]
# Lips are redder than what they frame by at least this much (a* of CIE Lab), or colour decides nothing.
LEAST_CONTRAST = 6.0


def lip_borders(picture: NDArray[np.uint8], landmarks: Floats) -> Floats:
    """Where the visible lips begin (2, 11): upper and lower, share of the way from row 3 to row 1.

    picture: RGB uint8 (H, W, 3), landmarks: (478, 3) pixels. Means something when the mouth is open.
    """
    points = landmarks[:, :2]
    upper, lower = points[UPPER_LIP], points[LOWER_LIP]
    inside = float(np.median(_redness(picture, ((upper[3] + lower[3]) / 2)[3:8])))
    return np.stack([_border(picture, lip[3], lip[1], inside) for lip in (upper, lower)])


def _border(picture: NDArray[np.uint8], inner: Floats, lip: Floats, inside: float) -> Floats:
    """The share (11,) at which each column turns from the mouth's inside into lip."""
    redness = _redness(picture, inner[:, None] + STEPS * (lip - inner)[:, None])
    lip_red = float(np.median(redness[2:9, -1]))
    if lip_red - inside < LEAST_CONTRAST:
        return np.full(len(inner), USUAL, np.float32)
    not_lip = redness < (lip_red + inside) / 2
    outermost = np.where(not_lip.any(axis=1), not_lip.shape[1] - not_lip[:, ::-1].argmax(axis=1), 0)
    share = np.clip(outermost / (len(STEPS) - 1) + BEYOND_BORDER, BEYOND_BORDER, FURTHEST)
    # In the corners the rows run together: they follow their neighbours.
    share[:2], share[-2:] = share[2], share[-3]
    # A single column that stands out is a highlight on the lip, no tooth.
    return _beside(np.median(_beside(share), axis=0)).mean(axis=0).astype(np.float32)


def _redness(picture: NDArray[np.uint8], points: Floats) -> Floats:
    """a* of CIE Lab at points (…, 2)."""
    colours = colours_at(picture, points, 0.0).reshape(1, -1, 3) / 255
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2Lab), np.float32)[0, :, 1].reshape(
        points.shape[:-1]
    )


def _beside(values: Floats) -> Floats:
    """Each value (n,) with its neighbours (3, n)."""
    return np.stack([np.append(values[:1], values[:-1]), values, np.append(values[1:], values[-1:])])
