"""Finds the face in every source frame, with the published networks or the built-in ones.

Both give the same: where the crop lies in each frame, and 478 landmarks on it for the eyes. The published
way follows the face from its last 203 landmarks; that the crop still shows a face is seen by the mesh. A
face that is lost is searched again near its last place, and frames without it are bridged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import FaceNotFoundError
from ..face.crop import axis_points, face_to_crop, inverse
from ..face.find import FaceFinder, Outline
from ..face.follower import REACH, REACH_GROWTH, RESIZE_LIMIT, Follower, distance
from ..face.mesh import landmark_region
from ..face.region import Picture, Points
from ..face.seen import Seen
from ..face.topology import COUNT, LEFT_BROW, OVAL, RIGHT_BROW
from ..face.track import track
from ..host import Host, Releasable
from ..options import AvatarOptions, FaceChoice
from ..sequences import LazySequence
from .source import CROP_SIDE, OfficialFaces, SourceCrop, crop_source, to_crop

COUNT_203 = 203

CROPPED_BY = [*OVAL[8:29], *LEFT_BROW[0], *RIGHT_BROW[0]]
"""The landmarks of the 478 that span what the published sets span: jaw and brows, no forehead."""

MeshOnCrop = Callable[[Picture], Points | None]
"""The square crop RGB uint8 to landmarks (478, 3) as fractions of its side, None when it shows no face."""


@dataclass(frozen=True)
class FollowedFace:
    """A face in S frames.

    landmarks (S, 478, 2) pixels of the frame; crop_to_original (S, 3, 3); mesh (S, 478, 3) the landmarks as
    fractions of the crop. Where the face was not seen they are its neighbours'.
    """

    landmarks: Tensor
    crop_to_original: Tensor
    mesh: Tensor
    seen: Seen


class FaceFollower(Protocol):
    """Finds one face in all frames RGB uint8 (S, H, W, 3)."""

    @property
    def networks(self) -> Sequence[Releasable]: ...

    def follow(self, frames: LazySequence, options: AvatarOptions, host: Host) -> FollowedFace: ...


class BuiltInFaces:
    """The bundled detector and mesh: 478 landmarks, smoothed, from which the crop is cut."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder
        self.networks = finder.networks

    def follow(self, frames: LazySequence, options: AvatarOptions, host: Host) -> FollowedFace:
        tracked = track(self.finder, frames, options.face, host)
        points = tracked.landmarks[..., :2]
        placed = inverse(face_to_crop(points[:, CROPPED_BY], axis_points(points), CROP_SIDE, options))
        mesh = _on_crop(tracked.landmarks, placed)
        return FollowedFace(points, placed, mesh, tracked.seen)


def _on_crop(landmarks: Tensor, placed: Tensor) -> Tensor:
    """Landmarks (S, P, 3) in pixels of the frames as fractions of their crops."""
    to_crop_pixels = inverse(placed)
    flat = landmarks[..., :2] @ to_crop_pixels[:, :2, :2].transpose(1, 2) + to_crop_pixels[:, None, :2, 2]
    scale = to_crop_pixels[:, :1, :2].square().sum(dim=2, keepdim=True).sqrt()
    return torch.cat([flat, landmarks[..., 2:] * scale], dim=2) / CROP_SIDE


class BuiltInMesh:
    """The bundled mesh on a face crop. It looks first where it found the face in the last crop."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder
        self._last: Points | None = None

    def __call__(self, crop: Picture) -> Points | None:
        face = None if self._last is None else self.finder.place(crop, landmark_region(self._last))
        if face is None:
            faces = self.finder.find_all(crop, thorough=False)
            middle = crop.shape[0] / 2
            face = min(faces, key=lambda face: math.dist(face.centre, (middle, middle)), default=None)
        self._last = None if face is None else face.landmarks
        return None if face is None else face.landmarks / crop.shape[0]


class PublishedFaces:
    """The published detector, 106 and 203 landmarks."""

    def __init__(
        self, faces: OfficialFaces, new_mesh: Callable[[], MeshOnCrop], networks: Sequence[Releasable]
    ) -> None:
        """new_mesh: makes the mesh for one source."""
        self.faces = faces
        self.new_mesh = new_mesh
        self.networks = networks

    def follow(self, frames: LazySequence, options: AvatarOptions, host: Host) -> FollowedFace:
        points = np.zeros((len(frames), COUNT_203, 2), np.float32)
        mesh = np.zeros((len(frames), COUNT, 3), np.float32)

        def keep(index: int, _picture: Picture, sight: _Sight) -> None:
            points[index], mesh[index] = sight.landmarks, sight.mesh

        seen = _Search(self.faces, self.new_mesh(), options).through(frames, host, keep)
        seen.bridge(points)
        seen.bridge(mesh)
        placed = torch.cat([inverse(to_crop(frame, CROP_SIDE, options)).float() for frame in points])
        on_crop = torch.from_numpy(mesh)
        return FollowedFace(_on_frame(on_crop, placed), placed, on_crop, seen)


def _on_frame(mesh: Tensor, placed: Tensor) -> Tensor:
    """Landmarks (S, P, 3) in fractions of the crops as pixels (S, P, 2) of the frames."""
    return mesh[..., :2] * CROP_SIDE @ placed[:, :2, :2].transpose(1, 2) + placed[:, None, :2, 2]


@dataclass(frozen=True)
class _Sight(Outline):
    """The face in one frame: 203 landmarks (203, 2) in pixels, and the mesh on its crop (478, 3)."""

    mesh: Points


class _Search(Follower[_Sight]):
    """Looks where the face was, and then where the detector sees one."""

    def __init__(self, faces: OfficialFaces, mesh: MeshOnCrop, options: AvatarOptions) -> None:
        super().__init__()
        self.faces = faces
        self.mesh = mesh
        self.options = options

    def look(self, picture: Picture, index: int, *, cut: bool) -> _Sight | None:  # noqa: ARG002
        sight = None if cut else self._follow(picture)
        return sight or self._find(picture, anywhere=cut)

    def _follow(self, picture: Picture) -> _Sight | None:
        if self.last is None or self.lost:
            return None
        sight = self._seen(picture, crop_source(picture, self.faces, self.options, self.last.landmarks))
        return sight if sight and self._within_reach(sight) else None

    def _find(self, picture: Picture, *, anywhere: bool) -> _Sight | None:
        options = self.options if self.last is None else replace(self.options, face=_near(self.last, picture))
        try:
            sight = self._seen(picture, crop_source(picture, self.faces, options))
        except FaceNotFoundError as failure:
            self.failure = failure  # a later frame may show the face
            return None
        return sight if sight and (anywhere or self._within_reach(sight)) else None

    def _seen(self, picture: Picture, source: SourceCrop) -> _Sight | None:
        points = source.landmarks
        height, width = picture.shape[:2]
        inside = ((points > 0) & (points < [width, height])).all(axis=1).mean()
        if not np.isfinite(points).all() or inside < 0.25:
            return None
        mesh = self.mesh(source.crop.image)
        return None if mesh is None else _Sight(points, mesh)

    def _within_reach(self, sight: _Sight) -> bool:
        """Whether this can be the same face as before; the longer it was lost, the further it may be."""
        if self.last is None:
            return True
        resized = max(sight.size / self.last.size, self.last.size / max(sight.size, 1e-3))
        longer = REACH_GROWTH * self.lost
        return distance(sight, self.last) < REACH + longer and resized < RESIZE_LIMIT + longer


def _near(sight: _Sight, picture: Picture) -> FaceChoice:
    height, width = picture.shape[:2]
    return FaceChoice("nearest", point=(sight.centre[0] / width, sight.centre[1] / height))
