"""How far teeth reach over the lips' inner border, as the landmarks see it.

The mesh draws the inner border of open lips a little too far inwards. Lips that carry a row of teeth along
when they close look wrong at once, so their colour is taken from where the picture says the lip begins.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from .geometry import LOWER_LIP, UPPER_LIP, Floats

# Shares of the way from the inner border to the second row from outside.
USUAL, FURTHEST = 0.45, 0.8
BEYOND_BORDER = 0.12
STEPS = np.linspace(0, 1, 13, dtype=np.float32)
# Lips are redder than what they frame by at least this much (a* of CIE Lab), or colour decides nothing.
LEAST_CONTRAST = 6.0


def lip_borders(picture: NDArray[np.uint8], landmarks: Floats) -> Floats:
    """Where the visible lips begin (2, 11): upper and lower, share of the way from row 3 to row 1.

    picture: RGB uint8 (H, W, 3) that shows an open mouth; landmarks: (478, 3) pixels.
    """
    points = landmarks[:, :2].astype(np.float32)
    redness = _redness(picture, points)
    middle = (points[UPPER_LIP[3]] + points[LOWER_LIP[3]]) / 2
    inside = np.median(redness(middle[3:8]))
    return np.stack(
        [_border(redness, points[lip[3]], points[lip[1]], inside) for lip in (UPPER_LIP, LOWER_LIP)]
    )


def _redness(picture: NDArray[np.uint8], points: Floats):
    """A function that gives a* at picture positions (…, 2) near the lips."""
    around = points[np.concatenate([UPPER_LIP.ravel(), LOWER_LIP.ravel()])]
    low = np.floor(around.min(axis=0) - 4).clip(0).astype(int)
    high = np.ceil(around.max(axis=0) + 5).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32) / 255
    red = cv2.cvtColor(part, cv2.COLOR_RGB2Lab)[..., 1]

    def sample(where: Floats) -> Floats:
        flat = (where - low).reshape(-1, 1, 2).astype(np.float32)
        found = cv2.remap(red, flat, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32).reshape(where.shape[:-1])

    return sample


def _border(redness, inner: Floats, lip: Floats, inside: float) -> Floats:
    """The share (11,) at which each column turns from the mouth's inside into lip."""
    path = inner[:, None] + STEPS[:, None] * (lip - inner)[:, None]
    values = redness(path)
    lip_red = float(np.median(values[2:9, -1]))
    if lip_red - inside < LEAST_CONTRAST:
        return np.full(len(inner), USUAL, np.float32)
    not_lip = values < (lip_red + inside) / 2
    last = np.where(not_lip.any(axis=1), not_lip.shape[1] - not_lip[:, ::-1].argmax(axis=1), 0)
    share = np.clip(last / (len(STEPS) - 1) + BEYOND_BORDER, BEYOND_BORDER, FURTHEST)
    return uniform_filter1d(maximum_filter1d(share, 3), 3).astype(np.float32)
