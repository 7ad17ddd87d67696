"""Follows one face through the frames of a source with the bundled networks.

Each frame's landmarks are looked for where the last frame had them. When the face is not there any more
it is searched again: near its last place, and in the whole picture. A face is taken for the same person
only when it is within reach of the last place; what is within reach grows while the face is lost. After a
cut nothing tells who is who, so the face nearest to the last place is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import FaceNotFoundError
from ..host import Host
from ..options import FaceChoice
from ..sequences import LazySequence
from .crop import draw
from .find import Face, FaceFinder, choose, nearest
from .follower import REACH, REACH_GROWTH, RESIZE_LIMIT, Follower, distance
from .mesh import landmark_region
from .region import Picture, Points
from .seen import Seen
from .topology import COUNT

THOROUGH_EVERY = 25  # frames between two thorough searches while no face was found yet
SETTLED = 0.04  # a face that moved further, in face sizes, was seen off-centre: look again
PREVIEW_SIDE = 512

SMOOTH_REACH = 3  # frames to each side
SMOOTH_TIME = 1.5  # frames
SMOOTH_DISTANCE = 0.006  # in face sizes; jitter is 0.05 to 0.25 % of them, depending on the picture's noise
SMOOTH_CHUNK = 256


@dataclass(frozen=True)
class Tracked:
    """A face in every frame.

    landmarks: (S, 478, 3) float32 pixels, z in the same unit; where the face was not seen, its neighbours'.
    """

    landmarks: Tensor
    seen: Seen


Adjustment = Callable[[Picture, Points], Points]


def track(
    finder: FaceFinder,
    frames: LazySequence,
    choice: FaceChoice,
    host: Host,
    adjust: Adjustment | None = None,
) -> Tracked:
    """The chosen face in all RGB uint8 frames (S, H, W, 3), smoothed over time.

    `choice` is applied to the first frame that shows a face it fits; `adjust` may correct the landmarks
    (478, 3) that were found in a frame. Raises `FaceNotFoundError` when there is no face. Keeps about 6 KB a
    frame.
    """
    landmarks = np.zeros((len(frames), COUNT, 3), np.float32)

    def keep(index: int, picture: Picture, face: Face) -> None:
        landmarks[index] = adjust(picture, face.landmarks) if adjust else face.landmarks

    seen = _Search(finder, choice, host).through(frames, host, keep)
    seen.bridge(landmarks)
    for shot in seen.shots:
        _smooth(landmarks[shot])
    return Tracked(torch.from_numpy(landmarks), seen)


class _Search(Follower[Face]):
    """Looks where the face was, around there, and then everywhere."""

    def __init__(self, finder: FaceFinder, choice: FaceChoice, host: Host) -> None:
        super().__init__()
        self.finder = finder
        self.choice = choice
        self.host = host

    def look(self, picture: Picture, index: int, *, cut: bool) -> Face | None:
        if self.last is None:
            return self._first(picture, index)
        if cut:
            return _nearest(self._anywhere(picture), self.last)
        return self._next(picture, self.last)

    def preview(self, picture: Picture) -> Tensor:
        """A small copy of a frame with the landmarks that were found last."""
        height, width = picture.shape[:2]
        scale = min(1.0, PREVIEW_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        return torch.from_numpy(draw(small, self.last.landmarks[:, :2] * scale) if self.last else small)

    def _first(self, picture: Picture, index: int) -> Face | None:
        faces = self._anywhere(picture, thorough=index % THOROUGH_EVERY == 0)
        if self.choice.rule == "largest":
            self.faces = max(len(faces), 1)
        try:
            return choose(faces, self.choice, picture.shape[1], picture.shape[0]) if faces else None
        except FaceNotFoundError as error:
            self.failure = error  # a later frame may show more faces
            return None

    def _next(self, picture: Picture, last: Face) -> Face | None:
        expected = self.finder.place(picture, landmark_region(last.landmarks))
        if expected and distance(expected, last) > SETTLED:
            expected = self.finder.place(picture, landmark_region(expected.landmarks))
        if expected and self._within_reach(expected, last):
            return expected
        close = [face for face in self.finder.near(picture, last) if self._within_reach(face, last)]
        faces = close or self._anywhere(picture)
        return _nearest([face for face in faces if self._within_reach(face, last)], last)

    def _anywhere(self, picture: Picture, thorough: bool = False) -> list[Face]:
        return self.finder.find_all(picture, thorough=thorough, check=self.host.check_interrupted)

    def _within_reach(self, face: Face, last: Face) -> bool:
        resized = max(face.size / last.size, last.size / face.size)
        return distance(face, last) < REACH + REACH_GROWTH * self.lost and resized < RESIZE_LIMIT


def _nearest(faces: list[Face], last: Face) -> Face | None:
    return nearest(faces, *last.centre) if faces else None


def _smooth(landmarks: Points) -> None:
    """Remove jitter in place: a bilateral filter over time, landmark by landmark.

    Neighbouring frames count by their distance in time and by how far the landmark moved between them, so
    that what moves more than the jitter (a blink, a turn, speech) stays as it is; being symmetric in time
    the filter does not lag (Tomasi and Manduchi, Bilateral filtering, 1998).
    """
    original: Points = np.array(landmarks)
    for start in range(0, len(landmarks), SMOOTH_CHUNK):
        stop = min(start + SMOOTH_CHUNK, len(landmarks))
        centre = original[start:stop]
        size = np.ptp(centre[..., :2], axis=1).max(-1)[:, None, None]
        total, weights = np.zeros_like(centre), np.zeros_like(centre[..., :1])
        for shift in range(-SMOOTH_REACH, SMOOTH_REACH + 1):
            frames = np.clip(np.arange(start, stop) + shift, 0, len(landmarks) - 1)
            other = original[frames]
            moved = np.linalg.norm((other - centre)[..., :2], axis=-1, keepdims=True) / size
            weight = math.exp(-0.5 * (shift / SMOOTH_TIME) ** 2) * np.exp(
                -0.5 * (moved / SMOOTH_DISTANCE) ** 2
            )
            total += weight * other
            weights += weight
        landmarks[start:stop] = total / weights
