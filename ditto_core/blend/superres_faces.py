"""The square of a picture that a face restorer looks at, and what it changed laid back on the picture."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ..face.region import Picture, Points, Region
from ..face.topology import LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from .composite import Weights, add_on
from .masks import feathered_border
from .superres_plan import FACE_SIDE

TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
"""Where FFHQ's alignment has eyes, tip of the nose and corners of the mouth, in pixels of a 512-pixel square:
the geometry GFPGAN, CodeFormer and RestoreFormer were trained with."""

NOSE_TIP = 1
FEATHER = 0.1
"""Soft border of what is laid back, as a fraction of the square."""


def five_points(landmarks: Points) -> Points:
    """Eyes, tip of the nose, corners of the mouth (5, 2) out of 478 landmarks (478, 2 or 3)."""
    eyes = [landmarks[list(eye), :2].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
    left, right = MOUTH_CORNERS
    return np.stack([*eyes, landmarks[NOSE_TIP, :2], landmarks[left, :2], landmarks[right, :2]])


def face_square(points: Points) -> Region:
    """The turned square whose five points (5, 2) lie closest to the template's, by least squares."""
    here, there = (p[:, 0] + 1j * p[:, 1] for p in (points.astype(np.float64), TEMPLATE))
    offset = there - there.mean()
    turn = complex((offset.conj() @ (here - here.mean())) / (offset.conj() @ offset).real)
    centre = complex(here.mean()) + turn * (FACE_SIDE / 2 * (1 + 1j) - complex(there.mean()))
    return Region(centre.real, centre.imag, FACE_SIDE * abs(turn), math.atan2(turn.imag, turn.real))


def moved(square: Region, motion: NDArray[np.floating]) -> Region:
    """The square after a motion (3, 3) of turning, scaling and shifting."""
    x, y, _ = (float(value) for value in motion.astype(np.float64) @ (square.x, square.y, 1))
    right, down = float(motion[0, 0]), float(motion[1, 0])
    side, angle = square.side * math.hypot(right, down), square.angle + math.atan2(down, right)
    return Region(x, y, side, angle)


def lay_back(picture: Picture, change: Weights, square: Region, limit: Weights | None) -> None:
    """Add a restorer's change (S, S, 3), in levels of 255, to the square of a picture, in place.

    It fades out at the square's border. limit: (H, W) in 0..1, how much of it is shown where. The picture's
    own bytes stay where that is 0, and everywhere outside the square.
    """
    side = change.shape[0]
    small = min(side, math.ceil(square.side))
    if small < side:  # plain bilinear sampling would turn detail finer than the picture's pixels into noise
        change = np.asarray(cv2.resize(change, (small, small), interpolation=cv2.INTER_AREA), np.float32)
    factor = side / small
    to_side = np.array([[factor, 0, factor / 2 - 0.5], [0, factor, factor / 2 - 0.5], [0, 0, 1]])
    to_picture = np.vstack([square.to_picture(side), [0, 0, 1]]) @ to_side
    add_on(picture, change * _feather(small)[..., None], to_picture.astype(np.float32), limit)


@lru_cache(maxsize=8)
def _feather(side: int) -> NDArray[np.float32]:
    return feathered_border((side, side), FEATHER)
