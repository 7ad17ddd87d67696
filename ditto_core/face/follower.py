"""What every way of following a face through the frames of a source has in common.

A frame may show a cut (the whole picture changes) or the face at another place after an absence. Both kinds
of jump are reported: it may be another person. Frames without the face are bridged from their neighbours and
reported; those that show something else where the face was are told apart from those in which it was only
not recognised, for blur or a turned head.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import cv2
import numpy as np
from torch import Tensor

from ..errors import FaceNotFoundError
from ..host import Host
from ..sequences import LazySequence
from .find import Box, Outline, no_face
from .region import Picture, Points
from .seen import Seen

REACH, REACH_GROWTH = 0.5, 0.25  # in face sizes: for the next frame, and for each frame the face is lost
RESIZE_LIMIT = 1.6  # a face does not grow or shrink more from one sight to the next
CUT_CORRELATION = 0.4  # below it two pictures show different scenes
SAME_CORRELATION = 0.5  # above it a place looks as before
THUMBNAIL = (32, 32)

Sight = TypeVar("Sight", bound=Outline)
"""The face as it was seen in one frame."""


class Follower(ABC, Generic[Sight]):
    """Follows one face. How it is looked for is up to the subclass, which knows the last sight of it."""

    def __init__(self) -> None:
        self.last: Sight | None = None
        self.lost = 0
        """For how many frames it has not been seen."""
        self.failure: FaceNotFoundError | None = None
        """Why a frame with faces did not show the one that was asked for."""
        self.faces = 1
        """How many there were to choose from when the largest one was taken."""
        self._before = _LastSight()

    @abstractmethod
    def look(self, picture: Picture, index: int, *, cut: bool) -> Sight | None:
        """The face in the next frame, None when it is not there. cut: the frame shows another scene."""

    def preview(self, picture: Picture) -> Tensor | None:  # noqa: ARG002
        """What to show of the newest frame."""
        return None

    def through(self, frames: LazySequence, host: Host, keep: Callable[[int, Picture, Sight], None]) -> Seen:
        """Look at all RGB uint8 frames (S, H, W, 3) in turn; keep: takes each sight of the face.

        Raises `FaceNotFoundError` when there is none.
        """
        found = np.zeros(len(frames), bool)
        jumps: list[int] = []
        absent: list[int] = []
        done = 0
        for batch in frames.batches():
            host.check_interrupted()
            for picture in batch.numpy():
                sight, jumped = self._step(picture, done)
                if sight:
                    keep(done, picture, sight)
                    found[done] = True
                    jumps += [done] * jumped
                elif not self._before.looks_alike(picture):
                    absent.append(done)
                done += 1
            host.progress("register", done, len(frames), self.preview(batch[-1].numpy()))
        if not found.any():
            raise self.failure or _no_face_in(frames)
        return Seen(found, tuple(jumps), tuple(absent), self.faces)

    def _step(self, picture: Picture, index: int) -> tuple[Sight | None, bool]:
        """The face in the next frame, or None, and whether it jumped there."""
        scene = _thumbnail(picture)
        cut = self._before.is_cut(scene)
        sight = self.look(picture, index, cut=cut)
        if sight is None:
            self.lost += 1
            return None, False
        jumped = cut or (self.last is not None and distance(sight, self.last) > REACH)
        self.last, self.lost = sight, 0
        self._before.keep(scene, picture, sight.box)
        return sight, jumped


class _LastSight:
    """The scene in which a face was last seen, and what the picture looked like where it was."""

    def __init__(self) -> None:
        self._scene: Points | None = None
        self._look: Points = np.zeros(0, np.float32)
        self._box: Box = (0, 0, 0, 0)

    def keep(self, scene: Points, picture: Picture, box: Box) -> None:
        """Remember a picture, its `_thumbnail` and the face's box in it."""
        self._scene, self._look, self._box = scene, _pattern_in(picture, box), box

    def is_cut(self, scene: Points) -> bool:
        """Whether a picture with this `_thumbnail` shows another scene."""
        return self._scene is not None and float((scene * self._scene).sum()) < CUT_CORRELATION

    def looks_alike(self, picture: Picture) -> bool:
        """Whether a picture without the face looks as before where the face was."""
        if self._scene is None:
            return False
        return float((_pattern_in(picture, self._box) * self._look).sum()) > SAME_CORRELATION


def _thumbnail(picture: Picture) -> Points:
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
    return _thumbnail(picture[top : max(y1, top + 1), left : max(x1, left + 1)])


def distance(face: Outline, last: Outline) -> float:
    """How far a face moved, in face sizes."""
    return math.dist(face.centre, last.centre) / last.size


def _no_face_in(frames: LazySequence) -> FaceNotFoundError:
    """The error for frames (S, H, W, 3) none of which shows a face."""
    where = "the picture" if len(frames) == 1 else f"any of the {len(frames)} frames"
    return no_face(where, frames.shape[1], frames.shape[0])
