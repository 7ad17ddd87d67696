"""Where the mesh's vertices go: source and driving points of every frame, computed on demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data import Keypoints
from ..sequences import ComputedSequence, LazySequence
from .avatar import LiteAvatar, openness
from .coefficients import COLUMN
from .geometry import BELOW_LID, LID_CREASE, LOWER_LID, UPPER_LID, VERTICES, Floats
from .mouth_flats import BEHIND_LIPS
from .surround import RING_VERTICES, head_motion, turn

POINTS = VERTICES + RING_VERTICES

# Closing lids take their edge's colour from this share away from the eye, clear of its white.
LID_SHIFT = 0.15


def source_points(avatar: LiteAvatar) -> LazySequence:
    """Vertices of face and surround in every source frame: lazy (S, 684, 3) pixels."""

    def compute(start: int, stop: int) -> Tensor:
        return torch.from_numpy(avatar.rest(torch.arange(start, stop)).source_px(avatar.lip_borders))

    return ComputedSequence(compute, len(avatar.mesh), (POINTS, 3), torch.float32)


def driving_points(avatar: LiteAvatar, motion: Tensor, source_index: Tensor) -> LazySequence:
    """The same vertices moved by `motion` (N, 15) from source frames (N,): lazy (N, 684, 3) pixels."""

    def compute(start: int, stop: int) -> Tensor:
        faces = avatar.rest(source_index[start:stop])
        values = motion[start:stop].numpy()
        moved = avatar.basis.deform(faces.closed, values)
        posed = avatar.surround.pose(faces.shapes, moved, values)
        return torch.from_numpy(faces.placement.to_px(posed))

    return ComputedSequence(compute, len(motion), (POINTS, 3), torch.float32)


@dataclass(frozen=True, eq=False)
class Pose:
    """One output frame: where the vertices (684, 3) are in the source and where they go, in picture pixels,
    and what mouth and eyes do.

    mouth_plane: (2, 3) from cm in the plane of the teeth (x right, y up, origin at the middle of the closed
    lips) to picture pixels. source_open: 0..1, whether the source's mouth shows its inside. closing: (2,) how
    far each eye is closed.
    """

    source: Floats
    target: Floats
    mouth_plane: Floats
    source_open: float
    open_cm: float
    tongue_cm: float
    closing: tuple[float, float]


def poses(keypoints: Keypoints, avatar: LiteAvatar, start: int, stop: int) -> list[Pose]:
    """The output frames start..stop-1."""
    index = keypoints.source_index[start:stop]
    motion = keypoints.motion.values[start:stop].numpy()
    faces = avatar.rest(index)
    closing = np.clip(motion[:, [COLUMN["blink_left"], COLUMN["blink_right"]]], 0, 1)
    source = faces.source_px(avatar.lip_borders)
    for lid, beyond in ((UPPER_LID, LID_CREASE), (LOWER_LID, BELOW_LID)):
        shift = LID_SHIFT * closing[:, :, None, None]
        source[:, lid] += shift * (source[:, beyond] - source[:, lid])
    target = keypoints.driving[start:stop].numpy()
    planes = _mouth_planes(faces.seam(), motion)
    planes_px = faces.placement.to_px(planes)[..., :2]
    opening = motion[:, COLUMN["open"]]
    source_open = openness(faces.shapes)[:, 5]
    return [
        Pose(
            source[row],
            target[row],
            np.stack([plane[1] - plane[0], plane[2] - plane[0], plane[0]], axis=-1),
            float(source_open[row]),
            float(opening[row]),
            float(motion[row, COLUMN["tongue"]]),
            (float(closing[row, 0]), float(closing[row, 1])),
        )
        for row, plane in enumerate(planes_px)
    ]


def _mouth_planes(seam: Floats, motion: Floats) -> Floats:
    """Origin and the ends of the x and y units of the plane of the teeth (B, 3, 3) in cm, head turned."""
    units = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32) - [0, 0, BEHIND_LIPS]
    rotation, shift = head_motion(motion)
    return turn((seam[:, None] + units).astype(np.float32), rotation, shift)
