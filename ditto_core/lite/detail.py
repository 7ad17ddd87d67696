"""Draws lips and lids again with several samples a pixel: their borders are what the eye sees first."""

from __future__ import annotations

import cv2
import numpy as np

from ..face.region import Picture
from .curves import smoothstep
from .geometry import ABOVE_CREASE, EYE_CORNERS, LIPS, LOWER_LID, LOWER_LIP, UPPER_LIP, Floats, Ints
from .lids import LidLook, paint_lid
from .mouth import paint_mouth
from .mouth_look import MouthLook
from .posing import Pose
from .sampling import HalfPixels
from .warp import WarpMesh, Window

MARGIN_CM = 0.35
# A box gets about this many samples across, but always several a pixel.
SAMPLES_ACROSS = 420.0
FEWEST, MOST = 2, 6
EYE_STIRS = 0.01
SEAM_WIDTH_CM, SEAM_STRENGTH = 0.05, 0.5
# From this far apart on, and fully at twice as far, the mouth's own darkness parts the lips.
SEAM_FADES_CM = 0.5


def refine_lips(
    face: Picture, full: Window, source: HalfPixels, mesh: WarpMesh, pose: Pose, look: MouthLook
) -> None:
    """Draw the lips of `face` (the rendered region `full`, in place) again, and the mouth between them."""
    box = _box(full, pose, LIPS)
    if box is None:
        return
    fine = source.take(box, mesh.displacement(box, pose.source, pose.target))
    _shade_inner_borders(fine, box, pose)
    _paint_mouth(fine, box, pose, look)
    _blend_in(face, full, fine, box, _margin(pose))


def refine_eyes(
    face: Picture, full: Window, source: HalfPixels, mesh: WarpMesh, pose: Pose, look: LidLook
) -> None:
    """Draw the eyes that are closing again, in place."""
    for side, closing in enumerate(pose.closing):
        around = np.concatenate([ABOVE_CREASE[side], LOWER_LID[side], EYE_CORNERS[side]])
        box = _box(full, pose, around) if closing > EYE_STIRS else None
        if box is not None:
            fine = source.take(box, mesh.displacement(box, pose.source, pose.target))
            paint_lid(fine, look, side, box.to_grid(pose.target[:, :2]), closing)
            _blend_in(face, full, fine, box, _margin(pose))


def _margin(pose: Pose) -> float:
    """The boxes' margin in pixels."""
    return MARGIN_CM * float(np.linalg.norm(pose.mouth_plane[:, 0]))


def _box(full: Window, pose: Pose, vertices: Ints) -> Window | None:
    """Whole pixels around some vertices, as far as they lie in the rendered region."""
    points, margin = pose.target[vertices, :2], _margin(pose)
    low = np.maximum(np.floor(points.min(axis=0) - margin), (full.left, full.top))
    end = (full.left + full.width, full.top + full.height)
    high = np.minimum(np.ceil(points.max(axis=0) + margin), end)
    width, height = (int(side) for side in high - low)
    if width < 2 or height < 2:
        return None
    samples = int(np.clip(round(SAMPLES_ACROSS / max(width, height)), FEWEST, MOST))
    return Window(float(low[0]), float(low[1]), width, height, height * samples, width * samples)


def _shade_inner_borders(fine: Picture, box: Window, pose: Pose) -> None:
    """Darken the lips towards each other: lips that were apart in the source have no seam of their own."""
    strength = (
        SEAM_STRENGTH * pose.source_open * float(smoothstep(np.array(2 - pose.open_cm / SEAM_FADES_CM)))
    )
    if strength == 0:
        return
    scale = float(np.linalg.norm(pose.mouth_plane[:, 0]) * box.samples_per_pixel[0])
    shade = np.zeros(fine.shape[:2], np.uint8)
    for row in (UPPER_LIP[3], LOWER_LIP[3]):
        line = np.round(box.to_grid(pose.target[row, :2]) * 16).astype(np.int32)
        cv2.polylines(shade, [line], False, (255,), max(1, round(SEAM_WIDTH_CM * scale)), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(shade, (0, 0), max(0.6, 0.8 * SEAM_WIDTH_CM * scale)).astype(np.float32)
    light = 1 - soft * (strength / 255)
    fine[:] = np.round(fine * light[..., None]).astype(np.uint8)


def _paint_mouth(fine: Picture, box: Window, pose: Pose, look: MouthLook) -> None:
    plane = pose.mouth_plane * box.samples_per_pixel[:, None]
    plane[:, 2] = box.to_grid(pose.mouth_plane[:, 2])
    upper = box.to_grid(pose.target[UPPER_LIP[3], :2])
    lower = box.to_grid(pose.target[LOWER_LIP[3], :2])
    paint_mouth(fine, look, upper, lower, plane, pose.open_cm, pose.tongue_cm)


def _blend_in(face: Picture, full: Window, fine: Picture, box: Window, margin: float) -> None:
    """Average `fine` down to pixels and fade it into the region over the box's margin."""
    width, height = int(box.width), int(box.height)
    coarse = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    left, top = int(box.left - full.left), int(box.top - full.top)
    place = face[top : top + height, left : left + width]
    weight = _soft_box(width, height, margin)
    place[:] = cv2.blendLinear(coarse, np.array(place), weight, 1 - weight)


def _soft_box(width: int, height: int, margin: float) -> Floats:
    """A weight (height, width) that rises from 0 at the border to 1 over `margin` pixels."""
    across = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    down = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    return smoothstep(np.minimum(down[:, None], across) / max(margin, 1)).astype(np.float32)
