"""Teeth that fit the photo: its own where it shows them, otherwise ivory under its light.

What counts as teeth, and the ivory's lightness under the skin's, is chosen by eye on portraits.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import LOWER_LIP, UPPER_LIP, Floats, Ints
from .mouth_flats import RASTER, UPPER_EDGE, height, plane_x, plane_y
from .mouth_photo import FacePhoto, luminance, tinted

SHOWING_GAP = 0.3  # cm between the lips from which on the photo's teeth are looked for
LENGTH = 0.6  # cm of the upper teeth that a lip leaves free
ENOUGH_AREA, ENOUGH_WIDTH = 0.35, 1.2  # cm² and cm of clean teeth without which they are not copied
LONGEST, SHORTEST = -0.36, -0.12  # y in cm where copied teeth may end; a smile shows longer ones than speech
FADE = 0.45  # cm in which the copied teeth fade into the dark at the sides


@dataclass(frozen=True)
class Teeth:
    """colour: (3,) of teeth in full light. edge: y in cm where the upper incisors end.

    copy: (H,W,4) the photo's own upper teeth, premultiplied RGBA, continued upwards under the lip and fading
    out at the sides; None when the photo shows too little of them.
    """

    colour: Floats
    edge: float
    copy: Floats | None


def teeth_of(photo: FacePhoto) -> Teeth:
    """The teeth of a face."""
    own = _own_colour(photo)
    if own is None:
        return Teeth(_ivory(photo), UPPER_EDGE, None)
    copied = _copy(photo)
    return Teeth(own, UPPER_EDGE, None) if copied is None else Teeth(own, *copied)


def _ivory(photo: FacePhoto) -> Floats:
    """The skin's chroma, mostly washed out: grey photos get grey teeth; not above the face's highlights."""
    level = 206 * (0.42 + 0.66 * min(1.0, 1.15 * float(luminance(photo.skin)) / 255))
    return tinted(photo.skin, 0.34, min(level, 1.02 * float(np.quantile(photo.light, 0.97))))


def _own_colour(photo: FacePhoto) -> Floats | None:
    """The brightest quarter of what shows under the upper lip; None when that is not teeth."""
    upper, lower = photo.points[UPPER_LIP[3], :2], photo.points[LOWER_LIP[3], :2]
    gap = float(np.linalg.norm(lower[5] - upper[5])) / photo.scale
    if gap <= SHOWING_GAP:
        return None
    end = upper + min(1.0, LENGTH / gap) * (lower - upper)
    colours = photo.inside(np.concatenate([upper[2:-2], end[2:-2][::-1]]))
    light = luminance(colours)
    brightest = colours[light >= np.quantile(light, 0.75)].mean(0).astype(np.float32)
    return brightest if bool(_like_teeth(brightest, photo, 0.6)) else None


def _like_teeth(colours: Floats, photo: FacePhoto, brightness: float) -> Floats:
    """Which colours (..., 3) are bright beside the skin and not red: 0 or 1."""
    bright = luminance(colours) > brightness * luminance(photo.skin)
    neutral = (colours[..., 0] < 1.25 * colours[..., 1]) & (np.ptp(colours, axis=-1) < 0.45 * colours.max(-1))
    return (bright & neutral).astype(np.float32)


def _copy(photo: FacePhoto) -> tuple[float, Floats] | None:
    """Where the photo's upper teeth end in speech, and their colours; None when too little of them shows."""
    y = plane_y()[:, None]
    seen = photo.in_plane()
    upper, lower = (_covering(photo, row) for row in (UPPER_LIP[3], LOWER_LIP[3]))
    between = (y < upper - 0.04) & (y > lower + 0.04)
    edge = _cutting_edge(seen, between)
    clean = _like_teeth(seen, photo, 0.45) * (between & (y > edge + 0.03))
    blurred = 2 * max(1, round(0.5 * photo.softness() * RASTER)) + 1
    clean = np.asarray(cv2.erode(clean, np.ones((blurred, 1), np.uint8)), np.float32)
    columns = np.flatnonzero(clean.sum(0) >= 0.07 * RASTER)
    if clean.sum() < ENOUGH_AREA * RASTER**2 or len(columns) < ENOUGH_WIDTH * RASTER:
        return None
    here = np.arange(len(plane_x()))
    nearest = columns[np.abs(columns[:, None] - here).argmin(0)]
    top, bottom = clean.argmax(0)[nearest], len(y) - 1 - clean[::-1].argmax(0)[nearest]
    end = float(np.clip(edge, LONGEST, SHORTEST))
    rows: Ints = np.arange(len(y))[:, None] + round((end - edge) * RASTER)
    fade = np.exp(-(((here - nearest) / (FADE * RASTER)) ** 2))
    colours = seen[np.clip(rows, top, bottom), nearest]
    return end, np.concatenate([colours, np.ones_like(colours[..., :1])], axis=-1) * fade[:, None]


def _covering(photo: FacePhoto, row: Ints) -> Floats:
    """y in cm (W,) of a lip line as it covers the plane of the teeth."""
    to_cm = np.linalg.inv(np.asarray(photo.plane[:, :2], np.float64))
    line = np.asarray((photo.points[row, :2] - photo.plane[:, 2]) @ to_cm.T, np.float32)
    return height(line, plane_x())


def _cutting_edge(seen: Floats, free: NDArray[np.bool_]) -> float:
    """y in cm where the incisors end: the first dark row under their brightest, or the lower lip."""
    middle = np.abs(plane_x()) < 0.8
    rows = np.flatnonzero(free[:, middle].mean(1) > 0.9)
    if len(rows) < 3:
        return UPPER_EDGE
    light = luminance(seen[rows][:, middle]).mean(1)
    brightest = int(light[: max(3, round(0.5 * RASTER))].argmax())
    darker = np.flatnonzero(light[brightest:] < 0.9 * light[brightest])
    last = rows[brightest + darker[0]] if len(darker) else rows[-1]
    return float(plane_y()[last])
