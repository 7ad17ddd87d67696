"""The face as a mesh: which landmark is what, and the way between pixels and the face's own centimetres.

Landmarks are MediaPipe's 468 face vertices in pixels (x right, y down, z away from the camera). Canonical
space is the space of MediaPipe's canonical face: centimetres, x to the image's right, y up, z towards the
camera. A `Placement` is the similarity between the two, so that a turned or tilted head is animated upright.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..face.topology import EYE_ROWS, LEFT_BROW, LIP_ROWS, MESH_COUNT, OVAL, RIGHT_BROW
from ..models.bundled import bundled

Floats = NDArray[np.floating[Any]]  # float32 wherever it is stored; NumPy's types promise less
Ints = NDArray[np.int64]

VERTICES = MESH_COUNT

# Rows of the lips from the outer border inwards, each from the image-left corner to the image-right one.
UPPER_LIP = np.array([(lower[0], *upper, lower[-1]) for lower, upper in LIP_ROWS])
LOWER_LIP = np.array([lower for lower, _ in LIP_ROWS])
LIP_CORNERS = UPPER_LIP[:, [0, -1]].ravel()
LIPS = np.unique(np.concatenate([UPPER_LIP.ravel(), LOWER_LIP.ravel()]))

# The eyes, image-left and image-right; columns of the lids run from the image-left corner to the right one.
(_LEFT_LOWER, _LEFT_UPPER), (_RIGHT_LOWER, _RIGHT_UPPER) = EYE_ROWS
UPPER_LID = np.array([_LEFT_UPPER, _RIGHT_UPPER[::-1]])
LOWER_LID = np.array([_LEFT_LOWER[1:-1], _RIGHT_LOWER[-2:0:-1]])
LID_CREASE = np.array([[247, 30, 29, 27, 28, 56, 190], [414, 286, 258, 257, 259, 260, 467]])
BELOW_LID = np.array([[25, 110, 24, 23, 22, 26, 112], [341, 256, 252, 253, 254, 339, 255]])
ABOVE_CREASE = np.array([[113, 225, 224, 223, 222, 221, 189], [413, 441, 442, 443, 444, 445, 342]])
EYE_CORNERS = np.array([[_LEFT_LOWER[0], _LEFT_LOWER[-1]], [_RIGHT_LOWER[-1], _RIGHT_LOWER[0]]])
BROWS = np.array([LEFT_BROW[0], RIGHT_BROW[0][::-1]])

FACE_OVAL = np.array(OVAL)
# Vertices over bone, which speech does not move.
RIGID = np.array(
    [4, 6, 10, 33, 54, 67, 121, 127, 129, 133, 143, 263, 284, 297, 350, 356, 358, 362, 372, 168, 8, 9]
)

_FLIP = np.array([1.0, -1.0, -1.0], np.float32)


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """MediaPipe's canonical face: vertices (468, 3) cm and triangles (T, 3) without the mouth opening.

    is_eye (T,) marks the triangles of the two eye openings.
    """

    vertices: Floats
    triangles: Ints
    is_eye: NDArray[np.bool_]


@cache
def canonical_face() -> CanonicalFace:
    """The bundled canonical face."""
    with np.load(bundled("canonical_face.npz")) as stored:
        vertices = stored["v"].astype(np.float32)
        triangles = stored["tri"].astype(np.int64)
    opening = np.union1d(UPPER_LIP[3], LOWER_LIP[3])
    triangles = triangles[~np.isin(triangles, opening).all(axis=1)]
    is_eye = np.zeros(len(triangles), bool)
    for side in range(2):
        contour = np.concatenate([UPPER_LID[side], LOWER_LID[side], EYE_CORNERS[side]])
        is_eye |= np.isin(triangles, contour).all(axis=1)
    return CanonicalFace(vertices, triangles, is_eye)


@dataclass(frozen=True, eq=False)
class Placement:
    """Similarities cm = px · matrixᵀ + offset, one for each of B faces.

    matrix: (B, 3, 3), offset: (B, 3), both float32. The matrix holds the flip from image axes to
    canonical axes.
    """

    matrix: Floats
    offset: Floats

    def to_cm(self, pixels: Floats) -> Floats:
        """Points (B, K, 3) from pixels to canonical centimetres."""
        return pixels @ transposed(self.matrix) + self.offset[:, None]

    def to_px(self, points: Floats) -> Floats:
        """Points (B, K, 3) from canonical centimetres to pixels."""
        return (points - self.offset[:, None]) @ transposed(self.px_per_cm_matrix())

    def px_per_cm_matrix(self) -> Floats:
        """The linear part of `to_px` (B, 3, 3)."""
        # For a similarity M = s·R the inverse is Mᵀ / s².
        return transposed(self.matrix) / (self.cm_per_px() ** 2)[:, None, None]

    def cm_per_px(self) -> Floats:
        """Size of a pixel on the face in cm (B,)."""
        return np.linalg.norm(self.matrix[:, 0], axis=-1)

    def head_angles(self) -> Floats:
        """How the heads are turned (B, 3): yaw, pitch, roll in degrees, independent of each other."""
        scale = self.cm_per_px()[:, None, None]
        head = transposed(self.matrix * _FLIP / scale)
        yaw = np.arctan2(-head[:, 2, 0], head[:, 2, 2])
        pitch = np.arcsin(np.clip(head[:, 2, 1], -1, 1))
        roll = np.arctan2(-head[:, 0, 1], head[:, 1, 1])
        return np.degrees(np.stack([yaw, pitch, roll], axis=-1)).astype(np.float32)


def transposed(matrices: Floats) -> Floats:
    """Matrices (…, n, m) as (…, m, n)."""
    return np.swapaxes(matrices, -1, -2)


def place(landmarks: Floats) -> Placement:
    """The similarity from landmarks (B, >= 468, 3) in pixels to canonical space, fitted on rigid vertices.

    Procrustes analysis with scale: Umeyama 1991, "Least-squares estimation of transformation parameters
    between two point patterns".
    """
    points = landmarks[:, RIGID].astype(np.float64) * _FLIP
    target = canonical_face().vertices[RIGID].astype(np.float64)
    centre, target_centre = points.mean(axis=1, keepdims=True), target.mean(axis=0)
    spread, target_spread = points - centre, target - target_centre
    covariance = target_spread.T @ spread
    u, strength, vt = np.linalg.svd(covariance)
    sign = np.ones_like(strength)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (strength * sign).sum(-1) / (spread**2).sum((-1, -2))
    matrix = scale[:, None, None] * rotation * _FLIP
    offset = target_centre - (centre * _FLIP @ np.swapaxes(matrix, 1, 2))[:, 0]
    return Placement(matrix.astype(np.float32), offset.astype(np.float32))
