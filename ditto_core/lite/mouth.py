"""Paints what an open mouth shows between the moved lips: cavity, tongue, teeth, and the lips' shade on them.

Everything is put together in the plane of the mouth, in centimetres, from the flats of a `MouthLook`; one
affine warp brings it into the picture, whatever its scale or rotation. Only the lips' box is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..face.region import Picture, apply_affine
from .basis import JAW_SHARE
from .curves import smoothstep
from .geometry import Floats
from .mouth_flats import BOTTOM, LEFT, RASTER, RIGHT, TOP, height, plane_x, plane_y
from .mouth_look import MouthLook

SMALLEST_GAP = 0.04  # cm: lips closer than this are closed
CURVE_STEPS = 6  # points a landmark interval of the lip lines is divided into
EDGE_BLUR = 0.035  # cm, at least 0.6 px


def paint_mouth(
    image: Picture,
    look: MouthLook,
    upper: Floats,
    lower: Floats,
    cm_to_px: Floats,
    open_cm: float,
    tongue_cm: float,
) -> None:
    """Paint the mouth's interior between the inner lip lines into `image`, in place.

    image: (h,w,3) uint8 RGB, the face with its lips already moved; any part of the mouth may lie outside.
    upper, lower: (11,2) px, inner lip rows from the image-left corner to the right one.
    cm_to_px: (2,3) from the mouth's plane to px; the plane is in cm, x right, y up, origin at the centre of
    the closed seam. open_cm: gap the motion asks for; tongue_cm: lift of the tongue.
    Where the lips are closer than 0.04 cm, nothing is painted.
    """
    matrix = np.asarray(cm_to_px, np.float64)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))  # px per cm
    if not scale > 0.1:  # seen edge-on
        return
    opening = _Opening.between(_to_cm(upper, matrix), _to_cm(lower, matrix))
    if opening is None:
        return
    blur = max(0.6, EDGE_BLUR * scale)
    box = _box(apply_affine(matrix, opening.outline), 3 * blur, image.shape)
    if box is None:
        return
    left, top, right, bottom = box
    local = matrix - [[0, 0, left], [0, 0, top]]
    coverage = _coverage(apply_affine(local, opening.outline), (bottom - top, right - left), blur)
    colours = _interior(look, opening, open_cm, tongue_cm)
    inside = _into_picture(colours, opening, local, scale, coverage.shape)
    part = image[top:bottom, left:right]
    np.copyto(part, cv2.blendLinear(inside, np.ascontiguousarray(part), coverage, 1 - coverage))


@dataclass(frozen=True)
class _Opening:
    """The hole between the lips in the mouth plane, and the part of the flats it shows.

    outline: (n,2) cm. Over the cells rows x columns: gap (W,) between the lips, under (H,W) how far below the
    upper lip and over (H,W) how far above the lower one a cell is, in cm.
    """

    outline: Floats
    rows: slice
    columns: slice
    gap: Floats
    under: Floats
    over: Floats

    @staticmethod
    def between(upper: Floats, lower: Floats) -> _Opening | None:
        """The opening between two lip rows (11,2) in cm; None when they touch."""
        high, low = _smooth_curve(upper), _smooth_curve(lower)
        low[:, 1] = np.minimum(low[:, 1], height(high, low[:, 0]))
        if not (height(high, low[:, 0]) - low[:, 1]).max() >= SMALLEST_GAP:
            return None
        outline = np.concatenate([high, low[::-1]])
        columns = _cells(
            outline[:, 0].min() - LEFT, outline[:, 0].max() - LEFT, round((RIGHT - LEFT) * RASTER)
        )
        rows = _cells(TOP - outline[:, 1].max(), TOP - outline[:, 1].min(), round((TOP - BOTTOM) * RASTER))
        if columns is None or rows is None:
            return None
        x, y = plane_x()[columns], plane_y()[rows, None]
        top, bottom = height(high, x), height(low, x)
        return _Opening(outline, rows, columns, np.maximum(top - bottom, 0), top - y, y - bottom)


def _to_cm(points: Floats, matrix: Floats) -> Floats:
    from_origin = np.asarray(points, np.float64) - matrix[:, 2]
    return np.asarray(from_origin @ np.linalg.inv(matrix[:, :2]).T, np.float64)


def _smooth_curve(points: Floats) -> Floats:
    """The points with Catmull-Rom splines between them."""
    before = np.concatenate([2 * points[:1] - points[1:2], points[:-1]])[:-1]
    after = np.concatenate([points[1:], 2 * points[-1:] - points[-2:-1]])[1:]
    t = np.linspace(0, 1, CURVE_STEPS, endpoint=False)[:, None]
    weights = 0.5 * np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    )
    corners = np.stack([before, points[:-1], points[1:], after])
    curve = np.einsum("ktx,kpy->pty", weights, corners).reshape(-1, 2)
    return np.concatenate([curve, points[-1:]])


def _cells(low: float, high: float, count: int) -> slice | None:
    """Raster cells that cover low..high cm with a small margin; None when there are none."""
    margin = 3
    start, stop = max(int(low * RASTER) - margin, 0), min(int(high * RASTER) + 1 + margin, count)
    return slice(start, stop) if start < stop else None


def _box(outline: Floats, margin: float, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """left, top, right, bottom of the painted part; None when it is outside the image."""
    low = np.maximum(np.floor(outline.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(outline.max(0) + margin) + 1, [shape[1], shape[0]]).astype(int)
    return (low[0], low[1], high[0], high[1]) if (low < high).all() else None


def _coverage(outline: Floats, shape: tuple[int, int], blur: float) -> Floats:
    """How much of every pixel is inside the outline (px), softened: (h,w) 0..1."""
    fixed_point = 4
    samples = int(np.ceil(3 / blur))  # a wide blur hides the steps of a coarse mask
    mask = np.zeros((shape[0] * samples, shape[1] * samples), np.uint8)
    corners = ((outline + 0.5) * samples - 0.5) * (1 << fixed_point)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255, shift=fixed_point)
    covered = cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(covered, (0, 0), blur), np.float32) / 255


def _interior(look: MouthLook, opening: _Opening, open_cm: float, tongue_cm: float) -> Picture:
    """The shaded interior over the opening's cells, (rows, columns, 3) 0..255."""
    colours = np.array(look.cavity[:, opening.rows, opening.columns], np.float32)
    jaw_cm = JAW_SHARE * open_cm
    for flat, drop in (
        (look.tongue, 0.38 * jaw_cm - tongue_cm),
        (look.lower_teeth, 0.93 * jaw_cm),
        (look.upper_teeth, 0.0),
    ):
        layer = _lowered(flat, opening, drop)
        colours *= 1 - layer[3]
        colours += layer[:3]
    dark, bounce = look.dark[:, None, None], look.bounce[:, None, None]
    shade = _shade(look, opening, open_cm)
    colours = dark + (colours - dark) * shade * (bounce + (1 - bounce) * shade)
    for rim, weight in zip(look.rims, _rims(opening), strict=True):
        colours += weight * (rim[:, None, None] - colours)
    colours += look.grain[opening.rows, opening.columns]
    return np.ascontiguousarray(np.clip(colours, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _lowered(flat: Floats, opening: _Opening, drop: float) -> Floats:
    """The opening's part of a flat that hangs `drop` cm lower."""
    if drop == 0:
        return flat[:, opening.rows, opening.columns]
    whole, part = divmod(drop * RASTER, 1)
    last = len(plane_y()) - 1
    rows = np.arange(int(opening.rows.start), int(opening.rows.stop)) - int(whole)
    here: Floats = flat[:, np.clip(rows, 0, last), opening.columns]
    above: Floats = flat[:, np.clip(rows - 1, 0, last), opening.columns]
    return np.asarray(here + np.float32(part) * (above - here), np.float32)


def _shade(look: MouthLook, opening: _Opening, open_cm: float) -> Floats:
    """How much light the lips let in, 0..1 per cell.

    Little gets into a mouth that is hardly open or pursed, and through a narrow gap; the upper lip throws a
    shadow, the lower one a slight one; the corners are dark.
    """
    x = plane_x()[opening.columns]
    left, right = float(opening.outline[:, 0].min()), float(opening.outline[:, 0].max())
    corner = np.minimum(x - left, right - x)
    rounded = min(max((1 - (right - left) / look.width) / 0.22, 0.0), 1.0)
    light = (0.8 + 0.2 * float(smoothstep(np.array(open_cm)))) * (1 - 0.55 * rounded)
    column = light * (0.35 + 0.65 * smoothstep(opening.gap / 0.5)) * (0.25 + 0.75 * smoothstep(corner / 1.1))
    under, over = np.clip(opening.under / 0.24, 0, 1), np.clip(opening.over / 0.14, 0, 1)
    return column * (0.48 + 0.52 * under * (2 - under)) * (0.65 + 0.35 * over)


def _rims(opening: _Opening) -> tuple[Floats, Floats]:
    """How much a cell shows of the upper and the lower lip's inside: lips roll in, they are not cut off."""
    wide = smoothstep(opening.gap / 0.6)
    return (
        0.5 * wide * np.clip(1 - opening.under / 0.12, 0, 1) ** 2,
        0.8 * wide * np.clip(1 - opening.over / 0.16, 0, 1) ** 2,
    )


def _into_picture(
    colours: Picture, opening: _Opening, matrix: Floats, scale: float, shape: tuple[int, ...]
) -> Picture:
    """Warp the cells into the picture's box, averaged over a pixel where the picture is coarser."""
    cells_per_pixel = RASTER / scale
    if cells_per_pixel > 1:
        side = round(cells_per_pixel) | 1
        colours = np.asarray(cv2.blur(colours, (side, side)), np.uint8)
    first = (LEFT + (opening.columns.start + 0.5) / RASTER, TOP - (opening.rows.start + 0.5) / RASTER)
    cells_to_cm = np.array([[1 / RASTER, 0, first[0]], [0, -1 / RASTER, first[1]], [0, 0, 1]])
    return np.asarray(
        cv2.warpAffine(
            colours,
            matrix @ cells_to_cm,
            shape[::-1],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )
