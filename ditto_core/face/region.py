"""Turned squares of a picture: what the face networks look at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Points = NDArray[np.float32]

MAX_SUPERSAMPLING = 8


@dataclass(frozen=True)
class Region:
    """A turned square: centre and side in pixels, angle in radians (0 upright, positive clockwise)."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_picture(self, size: int) -> Points:
        """The affine (2, 3) from pixels of the `size`-pixel crop to pixels of the picture."""
        linear = rotation(self.angle) * (self.side / size)
        start = np.array([self.x, self.y]) - linear @ np.full(2, size / 2)
        return np.column_stack([linear, start]).astype(np.float32)

    def crop(self, picture: Picture, size: int, border: int = cv2.BORDER_REPLICATE) -> Picture:
        """The region as uint8 (size, size, 3), sampled bilinearly.

        A region much larger than `size` is sampled more densely and averaged down, since plain bilinear
        sampling would turn the picture's grain into noise of the landmarks.
        """
        factor = min(MAX_SUPERSAMPLING, max(1, int(self.side / size)))
        affine = self.to_picture(size).astype(np.float64)
        affine[:, 2] += affine[:, :2] @ np.full(2, (1 - factor) / (2 * factor))
        affine[:, :2] /= factor
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        dense = cv2.warpAffine(
            picture, affine, (size * factor, size * factor), flags=flags, borderMode=border
        )
        crop = cv2.resize(dense, (size, size), interpolation=cv2.INTER_AREA) if factor > 1 else dense
        return np.asarray(crop, dtype=np.uint8)


def rotation(angle: float) -> Points:
    """The matrix (2, 2) that turns column vectors clockwise on the screen."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]], np.float32)


def apply_affine(affine: NDArray[np.floating], points: NDArray[np.floating]) -> Points:
    """(2, 3) applied to (n, 2)."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], dtype=np.float32)
