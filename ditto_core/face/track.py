"""Follows one face through the frames of a source.

Each frame's landmarks are looked for where the last frame had them. When the face is not there any more
it is searched again: near its last place, and in the whole picture. A face is taken for the same person
only when it is within reach of the last place; what is within reach grows while the face is lost. After a
cut (the whole picture changes) nothing tells who is who, so the face nearest to the last place is taken.
Both kinds of jump are reported: it may be another person. Frames without the face are bridged from their
neighbours and reported; those that show something else where the face was are told apart from those in
which it was only not recognised, for blur or a turned head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import FaceNotFoundError
from ..host import Host
from ..options import FaceChoice
from ..sequences import LazySequence
from .crop import draw
from .find import Box, Face, FaceFinder, Outline, choose, nearest, no_face
from .mesh import landmark_region
from .region import Picture, Points
from .topology import COUNT

THOROUGH_EVERY = 25  # frames between two thorough searches while no face was found yet
SETTLED = 0.04  # a face that moved further, in face sizes, was seen off-centre: look again
REACH, REACH_GROWTH = 0.5, 0.25  # in face sizes: for the next frame, and for each frame the face is lost
RESIZE_LIMIT = 1.6  # a face does not grow or shrink more from one sight to the next
CUT_CORRELATION = 0.4  # below it two pictures show different scenes
SAME_CORRELATION = 0.5  # above it a place looks as before
THUMBNAIL = (32, 32)
PREVIEW_SIDE = 512

SMOOTH_REACH = 3  # frames to each side
SMOOTH_TIME = 1.5  # frames
SMOOTH_DISTANCE = 0.006  # in face sizes; jitter is 0.05 to 0.25 % of them, depending on the picture's noise
SMOOTH_CHUNK = 256


@dataclass(frozen=True)
class Tracked:
    """A face in every frame.

    landmarks: (S, 478, 3) float32 pixels, z in the same unit; bridged: the frames that show no face and got
    their neighbours' landmarks; jumps: the frames where the face was picked up at another place, after a cut
    or an absence; absent: those bridged frames that show something else where the face was last.
    """

    landmarks: Tensor
    bridged: tuple[int, ...]
    jumps: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()


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
    follower = _Follower(finder, choice)
    landmarks = np.zeros((len(frames), COUNT, 3), np.float32)
    found = np.zeros(len(frames), bool)
    jumps: list[int] = []
    absent: list[int] = []
    done = 0
    for batch in frames.batches():
        host.check_interrupted()
        for picture in batch.numpy():
            face, jumped = follower.step(picture, done)
            if face:
                landmarks[done] = adjust(picture, face.landmarks) if adjust else face.landmarks
                found[done] = True
                jumps += [done] * jumped
            elif not follower.before.looks_alike(picture):
                absent.append(done)
            done += 1
        host.progress("register", done, len(frames), _preview(batch[-1].numpy(), follower.last))
    if not found.any():
        raise follower.failure or no_face_in(frames)
    bridge(landmarks, found, jumps)
    for start, stop in zip([0, *jumps], [*jumps, len(frames)], strict=True):
        _smooth(landmarks[start:stop])
    bridged = tuple(np.flatnonzero(~found).tolist())
    return Tracked(torch.from_numpy(landmarks), bridged, tuple(jumps), tuple(absent))


class LastSight:
    """The scene in which a face was last seen, and what the picture looked like where it was."""

    def __init__(self) -> None:
        self._scene: Points | None = None
        self._look: Points = np.zeros(0, np.float32)
        self._box: Box = (0, 0, 0, 0)

    def keep(self, scene: Points, picture: Picture, box: Box) -> None:
        """Remember a picture, its `thumbnail` and the face's box in it."""
        self._scene, self._look, self._box = scene, _pattern_in(picture, box), box

    def is_cut(self, scene: Points) -> bool:
        """Whether a picture with this `thumbnail` shows another scene."""
        return self._scene is not None and float((scene * self._scene).sum()) < CUT_CORRELATION

    def looks_alike(self, picture: Picture) -> bool:
        """Whether a picture without the face looks as before where the face was."""
        if self._scene is None:
            return False
        return float((_pattern_in(picture, self._box) * self._look).sum()) > SAME_CORRELATION


def thumbnail(picture: Picture) -> Points:
    """The picture's coarse pattern of light and dark as a unit vector; two of them multiply to a correlation.

    A picture of one colour is the zero vector, which resembles nothing.
    """
    small = cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA).mean(axis=2).ravel()
    pattern = (small - small.mean()).astype(np.float32)
    return pattern / max(float(np.linalg.norm(pattern)), 1e-3)


def _pattern_in(picture: Picture, box: Box) -> Points:
    """The thumbnail of the part of the picture in a box, at least one pixel."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (round(side) for side in box)
    left, top = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return thumbnail(picture[top : max(y1, top + 1), left : max(x1, left + 1)])


class _Follower:
    """What is known of the face from the frames so far."""

    def __init__(self, finder: FaceFinder, choice: FaceChoice) -> None:
        self.finder = finder
        self.choice = choice
        self.last: Face | None = None
        self.failure: FaceNotFoundError | None = None  # why a frame with faces did not show the chosen one
        self.before = LastSight()
        self._lost = 0

    def step(self, picture: Picture, index: int) -> tuple[Face | None, bool]:
        """The face in the next frame, or None, and whether it jumped there."""
        scene = thumbnail(picture)
        cut = self.before.is_cut(scene)
        if self.last is None:
            face = self._first(picture, index)
        elif cut:
            face = _nearest(self.finder.find_all(picture, thorough=False), self.last)
        else:
            face = self._next(picture, self.last)
        if not face:
            self._lost += 1
            return None, False
        jumped = cut or (self.last is not None and distance(face, self.last) > REACH)
        self.last, self._lost = face, 0
        self.before.keep(scene, picture, face.box)
        return face, jumped

    def _first(self, picture: Picture, index: int) -> Face | None:
        faces = self.finder.find_all(picture, thorough=index % THOROUGH_EVERY == 0)
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
        anywhere = close or self.finder.find_all(picture, thorough=False)
        return _nearest([face for face in anywhere if self._within_reach(face, last)], last)

    def _within_reach(self, face: Face, last: Face) -> bool:
        resized = max(face.size / last.size, last.size / face.size)
        return distance(face, last) < REACH + REACH_GROWTH * self._lost and resized < RESIZE_LIMIT


def distance(face: Outline, last: Outline) -> float:
    """How far a face moved, in face sizes."""
    return math.dist(face.centre, last.centre) / last.size


def _nearest(faces: list[Face], last: Face) -> Face | None:
    return nearest(faces, *last.centre) if faces else None


def _preview(picture: Picture, face: Face | None) -> Tensor:
    """A small copy of the newest frame with the landmarks that were found last."""
    height, width = picture.shape[:2]
    scale = min(1.0, PREVIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return torch.from_numpy(draw(small, face.landmarks[:, :2] * scale) if face else small)


def no_face_in(frames: LazySequence) -> FaceNotFoundError:
    """The error for frames (S, H, W, 3) none of which shows a face."""
    where = "the picture" if len(frames) == 1 else f"any of the {len(frames)} frames"
    return no_face(where, frames.shape[1], frames.shape[0])


def bridge(values: Points, found: NDArray[np.bool_], jumps: Sequence[int]) -> None:
    """Fill the rows (S, …) of frames without a face in place: on a line between the neighbours, or like the
    only neighbour.

    Across a jump there is no line to follow: such frames take the nearer neighbour.
    """
    known, missing = np.flatnonzero(found), np.flatnonzero(~found)
    place = np.searchsorted(known, missing)
    left, right = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    share = (missing - left) / np.maximum(right - left, 1)
    share = np.where(np.isin(right, jumps), np.round(share), share)
    share = np.where(place == 0, 1.0, np.where(place == len(known), 0.0, share))
    for index, a, b, t in zip(missing, left, right, share, strict=True):
        values[index] = (1 - t) * values[a] + t * values[b]


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
