"""What moves around the face: rings of mesh from the face's oval out to where nothing moves any more.

The rings carry hair, ears and neck along with the head. The last ring stands still, so the rendered region
joins the untouched picture without a seam. Their scales and weights are chosen by eye on portraits.
"""

from __future__ import annotations

import numpy as np

from .coefficients import COLUMN
from .curves import smoothstep
from .geometry import FACE_OVAL, VERTICES, Floats, Ints, transposed

RING_SCALES = np.array([1.10, 1.25, 1.45, 1.75, 2.15, 2.7], np.float32)
OVAL_POINTS = len(FACE_OVAL)
RING_VERTICES = OVAL_POINTS * len(RING_SCALES)
LAST_RING = np.arange(RING_VERTICES - OVAL_POINTS, RING_VERTICES) + VERTICES

# The head turns about a point in the neck.
PIVOT = np.array([0.0, -7.5, -5.0], np.float32)


def surround_triangles() -> Ints:
    """Triangles (T, 3) between the oval and the rings; ring vertices count on from the face's 468."""
    loops = np.concatenate([FACE_OVAL[None], VERTICES + np.arange(RING_VERTICES).reshape(-1, OVAL_POINTS)])
    inner, outer = loops[:-1], loops[1:]
    inner_next, outer_next = np.roll(inner, -1, axis=1), np.roll(outer, -1, axis=1)
    first = np.stack([inner, outer, inner_next], axis=-1)
    second = np.stack([inner_next, outer, outer_next], axis=-1)
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])


def rings(shapes: Floats) -> Floats:
    """The rings' vertices (B, 216, 3) around faces (B, 468, 3) at rest, in cm."""
    oval = shapes[:, None, FACE_OVAL]
    scale = RING_SCALES[None, :, None]
    middle_y = oval[..., 1].mean(axis=-1, keepdims=True) - 0.3
    x = oval[..., 0] * scale
    hair = 3.0 * (scale - 1) * np.clip((oval[..., 1] - middle_y) / 8, 0, 1)
    y = middle_y + (oval[..., 1] - middle_y) * scale + hair
    depth = smoothstep((scale - 1) / 0.6)
    z = oval[..., 2] * (1 - depth) - 3.0 * depth
    return np.stack([x, y, z], axis=-1).reshape(len(shapes), RING_VERTICES, 3).astype(np.float32)


def _shares(shape: Floats) -> tuple[Floats, Floats]:
    """How far each ring vertex (216,) follows the head's pose and its oval vertex's own movement."""
    y = shape[FACE_OVAL, 1]
    to_neck = np.clip(-(y - y.mean() + 0.3) / 9, 0, 1)[None]
    scale = RING_SCALES[:, None]
    beside = 1 - smoothstep((scale - 1.3) / 1.35)
    below = 1 - smoothstep((scale - 1) / 1.25)
    pose = beside * (1 - to_neck) + below * to_neck
    jaw = np.broadcast_to(1 - smoothstep((scale - 1) / 0.55), pose.shape)
    return pose.ravel().astype(np.float32), jaw.ravel().astype(np.float32)


class Surround:
    """Moves face and rings together; the shares are computed once from one frame's face (468, 3)."""

    def __init__(self, shape: Floats) -> None:
        self.pose_share, self.jaw_share = _shares(shape)

    def pose(self, rest: Floats, moved: Floats, motion: Floats) -> Floats:
        """All vertices (B, 684, 3) in cm of faces that went from `rest` to `moved` and then turn the head.

        rest, moved: (B, 468, 3); motion: (B, 15).
        """
        around = rings(rest)
        oval_shift = np.tile((moved - rest)[:, FACE_OVAL], (1, len(RING_SCALES), 1))
        around_moved = around + self.jaw_share[:, None] * oval_shift.astype(np.float32)
        rotation, shift = head_motion(motion)
        turned = turn(around_moved, rotation, shift)
        around_moved += self.pose_share[:, None] * (turned - around_moved)
        return np.concatenate([turn(moved, rotation, shift), around_moved], axis=1)


def head_motion(motion: Floats) -> tuple[Floats, Floats]:
    """Rotation Rz·Rx·Ry (B, 3, 3) and shift (B, 3) in cm of the head."""
    yaw, pitch, roll = (np.radians(motion[:, COLUMN[name]]) for name in ("yaw", "pitch", "roll"))
    rotation = _axis_rotation(2, roll) @ _axis_rotation(0, pitch) @ _axis_rotation(1, yaw)
    shift = np.zeros((len(motion), 3), np.float32)
    shift[:, 0], shift[:, 1] = motion[:, COLUMN["tx"]], motion[:, COLUMN["ty"]]
    return rotation, shift


def turn(points: Floats, rotation: Floats, shift: Floats) -> Floats:
    """Points (B, K, 3) turned about the neck and shifted."""
    return (points - PIVOT) @ transposed(rotation) + PIVOT + shift[:, None]


def _axis_rotation(axis: int, angle: Floats) -> Floats:
    """Right-handed rotations (B, 3, 3) about x (0), y (1) or z (2)."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.tile(np.eye(3, dtype=np.float32), (len(angle), 1, 1))
    matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
    matrix[:, first, second], matrix[:, second, first] = -np.sin(angle), np.sin(angle)
    return matrix
