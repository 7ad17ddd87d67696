"""Where the lips end inwards, as the picture says: the landmarks alone are not exact enough.

The mesh draws the inner border of open lips a little too far inwards. Lips that carry a row of teeth along
when they close look wrong at once, so their colour is taken from where the picture says the lip begins. And
it often takes the small dark opening of rounded lips for closed, which would stay open in silence.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..face.region import Picture
from .curves import smoothstep
from .geometry import LOWER_LIP, UPPER_LIP, Floats, place
from .mouth_photo import luminance
from .sampling import colours_at

# Shares of the way from a lip's inner border (row 3) to row 1.
USUAL, FURTHEST = 0.45, 0.8
BEYOND_BORDER = 0.15
STEPS = np.linspace(0, 1, 13, dtype=np.float32)[:, None]
# Lips are redder than what they frame by at least this much (a* of CIE Lab), or colour decides nothing.
LEAST_CONTRAST = 6.0

# Between open lips it is darker than this share of the lips' own brightness.
DARK = 0.45
# Darkness that is higher than the first of these, cm, is no seam any more; from the second on it is a gap.
SEAM_CM, GAP_CM = 0.10, 0.22
# A gap that the landmarks see, cm: up to the first it may be wrong, from the second on it is right.
DOUBTED_CM, TRUSTED_CM = 0.25, 0.5


def lip_borders(picture: Picture, landmarks: Floats) -> Floats:
    """Where the visible lips begin (2, 11): upper and lower, share of the way from row 3 to row 1.

    picture: RGB uint8 (H, W, 3), landmarks: (478, 3) pixels. Means something when the mouth is open.
    """
    points = landmarks[:, :2]
    upper, lower = points[UPPER_LIP], points[LOWER_LIP]
    inside = float(np.median(redness(picture, ((upper[3] + lower[3]) / 2)[3:8])))
    return np.stack([_border(picture, lip[3], lip[1], inside) for lip in (upper, lower)])


def part_at_darkness(picture: Picture, landmarks: Floats) -> Floats:
    """The landmarks with the inner lip rows moved apart to where the darkness between the lips ends.

    picture: RGB uint8 (H, W, 3), landmarks: (478, 3) pixels. Rows that are apart that far already stay, and
    so does a mouth that is clearly open: its lips may be in the shade.
    """
    upper, lower = landmarks[UPPER_LIP], landmarks[LOWER_LIP]
    seam = (upper[3] + lower[3]) / 2
    light = [_light(picture, seam, lip) for lip in (upper, lower)]
    dark = DARK * max(float(np.median(profiles[3:8, len(STEPS) // 2 :])) for profiles in light)
    ends = [_end_of_darkness(profiles, dark) for profiles in light]
    size = [np.linalg.norm(lip[1] - seam, axis=1) for lip in (upper, lower)]
    cm = float(place(landmarks[None]).cm_per_px()[0])
    gap = (ends[0] * size[0] + ends[1] * size[1]) * cm
    seen = np.linalg.norm((upper[3] - lower[3])[:, :2], axis=1).max() * cm
    sure = smoothstep((gap - SEAM_CM) / (GAP_CM - SEAM_CM))
    sure = sure * smoothstep((TRUSTED_CM - seen) / (TRUSTED_CM - DOUBTED_CM))
    moved = np.array(landmarks)
    for rows, lip, end, length in zip((UPPER_LIP, LOWER_LIP), (upper, lower), ends, size, strict=True):
        inner = np.linalg.norm(lip[3] - seam, axis=1) / np.maximum(length, 1e-3)
        share = (sure * np.clip((end - inner) / np.maximum(1 - inner, 0.1), 0, 1))[:, None]
        moved[rows[3]] = lip[3] + share * (lip[1] - lip[3])
        moved[rows[2]] = lip[2] + share * (lip[1] - lip[2])
    return moved


def _light(picture: Picture, seam: Floats, lip: Floats) -> Floats:
    """Luminance (11, steps) by column of the lips from their seam (11, 3) to row 1."""
    return luminance(colours_at(picture, (seam[:, None] + STEPS * (lip[1] - seam)[:, None])[..., :2], 0.0))


def _end_of_darkness(light: Floats, dark: float) -> Floats:
    """The share (11,) of the way outwards at which a lip begins; 0 where nothing, or all, is dark."""
    is_dark = light < dark
    last = is_dark.shape[1] - 1 - is_dark[:, ::-1].argmax(axis=1)
    usable = is_dark.any(axis=1) & (last < is_dark.shape[1] - 1)
    outside = np.minimum(last + 1, is_dark.shape[1] - 1)
    column = np.arange(len(light))
    rise = light[column, outside] - light[column, last]
    share = (last + (dark - light[column, last]) / np.maximum(rise, 1e-3)) / (len(STEPS) - 1)
    share = np.where(usable, share, 0)
    # The corners are in the shade and keep together. An opening ends beside its darkness.
    share[[0, 1, -2, -1]] = 0
    return _beside(_beside(share).max(axis=0)).mean(axis=0)


def _border(picture: Picture, inner: Floats, lip: Floats, inside: float) -> Floats:
    """The share (11,) at which each column turns from the mouth's inside into lip."""
    red = redness(picture, inner[:, None] + STEPS * (lip - inner)[:, None])
    lip_red = float(np.median(red[2:9, -1]))
    if lip_red - inside < LEAST_CONTRAST:
        return np.full(len(inner), USUAL, np.float32)
    not_lip = red < (lip_red + inside) / 2
    outermost = np.where(not_lip.any(axis=1), not_lip.shape[1] - not_lip[:, ::-1].argmax(axis=1), 0)
    share = np.clip(outermost / (len(STEPS) - 1) + BEYOND_BORDER, BEYOND_BORDER, FURTHEST)
    # In the corners the rows run together: they follow their neighbours.
    share[:2], share[-2:] = share[2], share[-3]
    # A single column that stands out is a highlight on the lip, no tooth.
    return _beside(np.median(_beside(share), axis=0)).mean(axis=0).astype(np.float32)


def redness(picture: Picture, points: Floats) -> Floats:
    """a* of CIE Lab at points (…, 2)."""
    colours = colours_at(picture, points, 0.0).reshape(1, -1, 3) / 255
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2Lab), np.float32)[0, :, 1].reshape(
        points.shape[:-1]
    )


def _beside(values: Floats) -> Floats:
    """Each value (n,) with its neighbours (3, n)."""
    return np.stack([np.append(values[:1], values[:-1]), values, np.append(values[1:], values[-1:])])
