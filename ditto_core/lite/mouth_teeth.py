"""Teeth that fit the photo: its own where it shows them, otherwise ivory under its light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .geometry import LOWER_LIP, UPPER_LIP
from .mouth_flats import RASTER, UPPER_EDGE, Array, plane_x, plane_y
from .mouth_photo import FacePhoto, luminance, tinted

SHOWING_GAP = 0.3  # cm between the lips from which on the photo's teeth are looked for
LENGTH = 0.6  # cm of the upper teeth that a lip leaves free
ENOUGH_AREA = 0.5  # cm² of teeth without which they are not copied
LONGEST, SHORTEST = -0.40, -0.12  # y in cm where the copied teeth may end


@dataclass(frozen=True)
class Teeth:
    """colour: (3,) of teeth in full light. Where weight (W,) is 1, texture (H,W,3) holds the photo's own
    upper teeth, continued upwards under the lip; lift: how far they end above the usual edge, cm."""

    colour: Array
    texture: Array
    weight: Array
    lift: float


def teeth_of(photo: FacePhoto) -> Teeth:
    """The teeth of a face."""
    own = _own_colour(photo)
    colour = _ivory(photo) if own is None else own
    copied = None if own is None else _copy(photo, own)
    if copied is not None:
        return copied
    nothing = np.zeros((len(plane_y()), len(plane_x()), 3), np.float32)
    return Teeth(colour, nothing, np.zeros(len(plane_x()), np.float32), 0.0)


def _ivory(photo: FacePhoto) -> Array:
    """The skin's chroma, mostly washed out: grey photos get grey teeth; not above the face's highlights."""
    level = 206 * (0.42 + 0.66 * min(1.0, 1.15 * float(luminance(photo.skin)) / 255))
    return tinted(photo.skin, 0.28, min(level, 1.08 * float(np.quantile(photo.light, 0.97))))


def _own_colour(photo: FacePhoto) -> Array | None:
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


def _like_teeth(colours: Array, photo: FacePhoto, brightness: float) -> Array:
    """Which colours (..., 3) are bright beside the skin and not red: 0 or 1."""
    bright = luminance(colours) > brightness * luminance(photo.skin)
    neutral = (colours[..., 0] < 1.25 * colours[..., 1]) & (np.ptp(colours, axis=-1) < 0.45 * colours.max(-1))
    return (bright & neutral).astype(np.float32)


def _copy(photo: FacePhoto, colour: Array) -> Teeth | None:
    """The photo's upper teeth; None when too little of them shows."""
    x, y = plane_x(), plane_y()[:, None]
    seen = photo.in_plane()
    upper, lower = (_height(photo, row) for row in (UPPER_LIP[3], LOWER_LIP[3]))
    clear_of_lips = 0.04 + photo.softness()
    top, bottom = upper - clear_of_lips, lower + clear_of_lips
    free = (y < top) & (y > bottom)
    edge = _cutting_edge(seen, free)
    bottom = np.maximum(bottom, edge + 0.05 + 0.03 * x**2)
    free &= y > bottom
    teeth = _like_teeth(seen, photo, 0.45) * free
    if teeth.sum() < ENOUGH_AREA * RASTER**2:
        return None
    share = teeth.sum(0) / np.maximum(free.sum(0), 1) * (top - bottom > 0.1)
    trusted = (share > 0.6).astype(np.float32)[None]
    weight = np.asarray(cv2.GaussianBlur(trusted, (0, 0), 0.12 * RASTER), np.float32)[0]
    within: Array = np.clip(y, np.minimum(bottom, top), top)
    rows: Array = np.clip(np.round((y[0] - within) * RASTER), 0, len(y) - 1).astype(int)
    texture = np.take_along_axis(seen, rows[:, :, None], axis=0)
    lift = float(np.clip(edge, LONGEST, SHORTEST)) - UPPER_EDGE
    return Teeth(colour, texture, weight, lift)


def _height(photo: FacePhoto, row: Array) -> Array:
    """y in cm (W,) of a lip line as it covers the plane of the teeth."""
    line: Array = (photo.points[row, :2] - photo.plane[:, 2]) @ np.linalg.inv(photo.plane[:, :2]).T
    return np.interp(plane_x(), np.maximum.accumulate(line[:, 0]), line[:, 1]).astype(np.float32)


def _cutting_edge(seen: Array, free: Array) -> float:
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
