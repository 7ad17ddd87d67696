"""Places 478 landmarks on a face with MediaPipe's attention mesh network.

The network sees a square region of interest, turned upright and scaled to 192x192 pixels, and returns a
coarse mesh, finer lips, eyes and irises, and whether it saw a face at all.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..models.runners import Runner
from .detect import Detection
from .region import Picture, Points, Region, apply_affine, rotation
from .topology import (
    COUNT,
    LEFT_EYE,
    LEFT_IRIS,
    MESH_COUNT,
    OUTER_EYE_CORNERS,
    REFINED_LEFT_EYE,
    REFINED_LIPS,
    REFINED_RIGHT_EYE,
    RIGHT_EYE,
    RIGHT_IRIS,
)

SIDE = 192
ENLARGEMENT = 1.5  # region of interest relative to the face's box


def detection_region(face: Detection) -> Region:
    """What the mesh network looks at: the detector's box, enlarged and turned by the line of the eyes."""
    dx, dy = face.keypoints[1] - face.keypoints[0]
    return Region(face.x, face.y, ENLARGEMENT * face.size, math.atan2(dy, dx))


def landmark_region(landmarks: Points) -> Region:
    """The same from known landmarks (478, 2 or 3): their box along the line of the eyes, enlarged."""
    dx, dy = landmarks[OUTER_EYE_CORNERS[1], :2] - landmarks[OUTER_EYE_CORNERS[0], :2]
    angle = math.atan2(dy, dx)
    turn = rotation(angle)
    upright = landmarks[:, :2] @ turn  # row vectors times R are turned back by the angle
    low, high = upright.min(0), upright.max(0)
    x, y = turn @ ((low + high) / 2)
    return Region(float(x), float(y), ENLARGEMENT * float((high - low).max()), angle)


class FaceMesh:
    """The mesh network: a picture and a region in, landmarks and a face flag out."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def landmarks(self, picture: Picture, region: Region) -> tuple[Points, float]:
        """478 landmarks (478, 3) in pixels of the RGB uint8 picture, and the probability that it is a face.

        z is the depth in the same unit, smaller towards the camera.
        """
        crop = region.crop(picture, SIDE)
        out = self.runner(input=torch.from_numpy(crop.astype(np.float32) / 255.0)[None])
        points = _assemble({name: _flat(value) for name, value in out.items()})
        placed = apply_affine(region.to_picture(SIDE), points[:, :2])
        depth = points[:, 2:] * (region.side / SIDE)
        flag = 1.0 / (1.0 + math.exp(-float(np.clip(_flat(out["conv_faceflag"])[0], -80, 80))))
        return np.concatenate([placed, depth], axis=1).astype(np.float32), flag


def _assemble(out: dict[str, NDArray[np.float32]]) -> Points:
    """The network's outputs as (478, 3) pixels of the crop: the mesh, its refined parts, the irises."""
    points = np.zeros((COUNT, 3), np.float32)
    points[:MESH_COUNT] = out["output_mesh_identity"].reshape(MESH_COUNT, 3)
    for name, index in (
        ("output_lips", REFINED_LIPS),
        ("output_left_eye", REFINED_LEFT_EYE),
        ("output_right_eye", REFINED_RIGHT_EYE),
        ("output_left_iris", LEFT_IRIS),
        ("output_right_iris", RIGHT_IRIS),
    ):
        points[list(index), :2] = out[name].reshape(-1, 2)
    points[list(LEFT_IRIS), 2] = points[list(LEFT_EYE), 2].mean()  # irises come without depth
    points[list(RIGHT_IRIS), 2] = points[list(RIGHT_EYE), 2].mean()
    return points


def _flat(value: Tensor) -> NDArray[np.float32]:
    return value.reshape(-1).numpy()
