"""What Lite knows about a person: landmarks of all source frames, how the face moves, where to render."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..data import Avatar
from .basis import FaceBasis
from .geometry import LOWER_LIP, UPPER_LIP, VERTICES, Floats, Placement, place
from .lids import LidLook
from .mouth_look import MouthLook
from .surround import Surround, rings
from .warp import Window


@dataclass(frozen=True, eq=False)
class RestFaces:
    """B source frames' faces in canonical cm: as they are and with the mouth shut (B, 468, 3), and where."""

    placement: Placement
    shapes: Floats
    closed: Floats

    def source_px(self, borders: Floats) -> Floats:
        """Where the vertices of face and surround take their colour from (B, 684, 3), picture pixels.

        borders: (2, 11) where the lips begin, of `lip_borders`.
        """
        points = np.concatenate([_clear_of_teeth(self.shapes, borders), rings(self.shapes)], axis=1)
        return self.placement.to_px(points)

    def seam(self) -> Floats:
        """The middle of the closed lips (B, 3)."""
        return self.closed[:, [UPPER_LIP[3, 5], LOWER_LIP[3, 5]]].mean(axis=1)


@dataclass(frozen=True)
class LiteAvatar(Avatar):
    """A person registered with Lite.

    mesh: (S, 478, 3) landmarks in pixels, z away from the camera. basis, surround: how the face moves; mouth,
    lids: what an open mouth and closed eyes show; lip_borders: (2, 11) where the lips begin; each from one
    frame. corners: (S, 2) int64, left and top of the rendered region in each frame; region: its height and
    width; map_shape: rows and columns of the backward map. absent: source frames in which the person is not
    to be seen, or not the mouth, which stay as they are.
    """

    mesh: Tensor
    basis: FaceBasis
    surround: Surround
    mouth: MouthLook
    lids: LidLook
    lip_borders: Floats
    corners: Tensor
    region: tuple[int, int]
    map_shape: tuple[int, int]
    absent: frozenset[int]

    def rest(self, frames: Tensor) -> RestFaces:
        """The faces of source frames (B,) int64."""
        landmarks = self.mesh[frames].numpy()
        placement = place(landmarks)
        shapes = placement.to_cm(landmarks[:, :VERTICES])
        return RestFaces(placement, shapes, self.basis.close(shapes))

    def window(self, frame: int) -> Window:
        """The rendered region of a source frame on the grid of the backward map."""
        left, top = int(self.corners[frame, 0]), int(self.corners[frame, 1])
        return Window(left, top, self.region[1], self.region[0], *self.map_shape)


def openness(shapes: Floats) -> Floats:
    """How clearly faces (B, 468, 3) in cm show the mouth's inside: 0..1 by column of the lips (B, 11)."""
    gap = shapes[:, UPPER_LIP[3], 1] - shapes[:, LOWER_LIP[3], 1]
    return np.clip((gap - 0.08) / 0.35, 0, 1)


def _clear_of_teeth(shapes: Floats, borders: Floats) -> Floats:
    """Faces (B, 468, 3) whose inner lip borders lie on the lip itself where the mouth shows its inside."""
    moved = np.array(shapes)
    opened = openness(shapes)
    for lip, border in zip((UPPER_LIP, LOWER_LIP), borders, strict=True):
        for row, share in ((3, border), (2, (border + 1) / 2)):
            towards = shapes[:, lip[3]] + share[:, None] * (shapes[:, lip[1]] - shapes[:, lip[3]])
            moved[:, lip[row]] += opened[..., None] * (towards - shapes[:, lip[row]])
    return moved
