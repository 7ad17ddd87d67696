"""478 landmarks from the published ONNX pair: BlazeFace finds the face in the crop, the mesh is laid on it.

The same landmarks come from the bundled networks in `ditto_core.face`; this is for users of the official
files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import FaceNotFoundError
from ..face.detect import SIDE as DETECTOR_SIDE
from ..face.detect import decode, merge
from ..face.mesh import ENLARGEMENT
from ..face.region import Picture, Points, Region, apply_affine
from ..face.topology import COUNT

MESH_SIDE = 256

BlazeFace = Callable[[Tensor], Sequence[Tensor]]
"""(1, 128, 128, 3) in -1..1 to regressors (1, 896, 16) and logits (1, 896, 1)."""

Mesh = Callable[[Tensor], Tensor]
"""(1, 256, 256, 3) in 0..1 to 1434 numbers, pixels of its input."""


def landmarks_478(crop: Picture, blaze_face: BlazeFace, mesh: Mesh) -> Points:
    """Landmarks (478, 3) as fractions of the square face crop RGB uint8 (side, side, 3)."""
    side = crop.shape[0]
    region = face_region(crop, blaze_face)
    points = mesh(mesh_input(crop, region)).numpy().reshape(COUNT, 3)
    placed = apply_affine(region.to_picture(MESH_SIDE), points[:, :2])
    depth = points[:, 2:] * (region.side / MESH_SIDE)
    return (np.concatenate([placed, depth], axis=1) / side).astype(np.float32)


def face_region(crop: Picture, blaze_face: BlazeFace) -> Region:
    """The turned square that the mesh network looks at."""
    side = crop.shape[0]
    regressors, logits = (output[0].numpy() for output in blaze_face(blaze_face_input(crop)))
    boxes, keypoints, _ = merge(*decode(regressors, logits[:, 0]))
    if len(boxes) == 0:
        raise FaceNotFoundError(
            "No face found in its own crop: it may be covered or turned away. Use the built-in landmarks."
        )
    low, high = boxes[0, :2], boxes[0, 2:]
    x, y = (low + high) / 2 * side
    dx, dy = keypoints[0, 1] - keypoints[0, 0]
    return Region(float(x), float(y), ENLARGEMENT * float((high - low).max()) * side, math.atan2(dy, dx))


def blaze_face_input(crop: Picture) -> Tensor:
    """The crop as the detector's input (1, 128, 128, 3)."""
    small = cv2.resize(crop, (DETECTOR_SIDE, DETECTOR_SIDE)).astype(np.float32)
    return torch.from_numpy(small / 127.5 - 1)[None]


def mesh_input(crop: Picture, region: Region) -> Tensor:
    """The region as the mesh network's input (1, 256, 256, 3), black outside the crop."""
    to_crop = np.vstack([region.to_picture(MESH_SIDE), [0, 0, 1]])
    size, flags = (MESH_SIDE, MESH_SIDE), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpPerspective(crop, to_crop, size, flags=flags)
    return torch.from_numpy(view.astype(np.float32) / 255)[None]
