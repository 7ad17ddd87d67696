"""Finds the faces of a picture with their landmarks, and the one the user means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..errors import FaceNotFoundError, InputError
from ..media.images import check_sides
from ..models.bundled import bundled
from ..models.runners import OnnxRunner, Runner
from ..options import FaceChoice
from .detect import Detection, Detector, distinct
from .mesh import FaceMesh, detection_region, landmark_region
from .region import Picture, Points, Region

FLAG_THRESHOLD = 0.5

# The detector's box is loose. Looking again, framed by the landmarks, halves their dependence on it each
# time.
REFINEMENTS = 2

# A face seen the right way up scores above this; what scores less counts only when nothing scores more.
CONVINCING_SCORE = 0.75

# What is tried, as (zoom, turn in degrees): the first round as a whole, so that a small face beside a large
# one is found; then one after the other, while nothing convincing was found.
FIRST_ROUND = ((1.0, 0), (0.6, 0), (0.4, 0))
RETRIES = (
    *((zoom, turn) for turn in (90, 270, 180) for zoom in (1.0, 0.6, 0.4)),
    (1.6, 0),
    *((0.25, 0), (0.15, 0), (0.1, 0)),
)
TRIED = (
    "the whole picture, tiles of 0.6 and 0.4 of its long side, the same turned by 90, 180 and 270 degrees, "
    "the picture made smaller, and tiles of 0.25, 0.15 and 0.1"
)


Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class Outline:
    """Where a face is.

    landmarks: (n, 2 or more) float32 pixels; box: around them; size: its longer side.
    """

    landmarks: Points

    @property
    def box(self) -> Box:
        (x0, y0), (x1, y1) = self.landmarks[:, :2].min(0), self.landmarks[:, :2].max(0)
        return float(x0), float(y0), float(x1), float(y1)

    @property
    def centre(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2

    @property
    def size(self) -> float:
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)


@dataclass(frozen=True)
class Face(Outline):
    """A face in a picture.

    landmarks: (478, 3) float32 pixels, z in the same unit; score: the mesh network's confidence that this
    is a face, 0..1.
    """

    score: float


class FaceFinder:
    """The detector and the landmark network together."""

    def __init__(self, detector: Detector, mesh: FaceMesh) -> None:
        self.detector = detector
        self.mesh = mesh

    @property
    def networks(self) -> tuple[Runner, Runner]:
        """The networks that run."""
        return self.detector.runner, self.mesh.runner

    @classmethod
    @cache
    def default(cls) -> FaceFinder:
        """With the bundled networks on the CPU; always the same one, since its networks take memory."""
        return cls(
            Detector(OnnxRunner(bundled("face_det.onnx"))), FaceMesh(OnnxRunner(bundled("face_mesh478.onnx")))
        )

    def find_all(
        self, picture: Picture, *, thorough: bool = True, check: Callable[[], None] = lambda: None
    ) -> list[Face]:
        """All faces of RGB uint8 (H, W, 3), from left to right; an empty list when there is none.

        Without `thorough` only the first, quick round is tried, and only convincing faces count. check:
        called for each view of the picture, raises to stop.
        """
        check_picture(picture)
        seen = self._seen(picture, FIRST_ROUND, check)
        faces = self._placed(picture, [face for face in seen if face.score >= CONVINCING_SCORE])
        for view in RETRIES if thorough else ():
            if faces:
                break
            again = self._seen(picture, (view,), check)
            faces = self._placed(picture, [face for face in again if face.score >= CONVINCING_SCORE])
        if thorough and not faces:
            faces = self._placed(picture, seen)
        return sorted(faces, key=lambda face: face.centre[0])

    def find(self, picture: Picture, choice: FaceChoice | None = None) -> Face:
        """The face the user means; a `FaceNotFoundError` says what was tried or how many there are."""
        faces = self.find_all(picture)
        height, width = picture.shape[:2]
        if not faces:
            raise no_face("the picture", width, height)
        return choose(faces, choice or FaceChoice(), width, height)

    def near(self, picture: Picture, face: Face) -> list[Face]:
        """Faces in the surroundings of where one was known, from left to right."""
        region = landmark_region(face.landmarks)
        return self.within(picture, Region(region.x, region.y, 2 * region.side, region.angle))

    def within(self, picture: Picture, region: Region) -> list[Face]:
        """Faces in one region of a picture, from left to right."""
        faces = self._placed(picture, self.detector.look(picture, region))
        return sorted(faces, key=lambda face: face.centre[0])

    def place(self, picture: Picture, region: Region) -> Face | None:
        """Landmarks in a region where a face is expected, or None when the network sees no face."""
        landmarks, flag = self.mesh.landmarks(picture, region)
        return Face(landmarks, flag) if flag >= FLAG_THRESHOLD and _plausible(landmarks, region) else None

    def _seen(
        self, picture: Picture, views: tuple[tuple[float, float], ...], check: Callable[[], None]
    ) -> list[Detection]:
        """What the detector sees in some views, each face once and the right way up."""
        found: list[Detection] = []
        for zoom, turn in views:
            check()
            found += self.detector.search(picture, zoom, turn)
        return distinct([self.detector.straighten(picture, face) for face in distinct(found)])

    def _placed(self, picture: Picture, found: list[Detection]) -> list[Face]:
        """The detections that the landmark network takes for faces, each once."""
        faces: list[Face] = []
        for detection in found:
            face = self.place(picture, detection_region(detection))
            for _ in range(REFINEMENTS):
                face = face and self.place(picture, landmark_region(face.landmarks))
            if face and not any(_same(face, other) for other in faces):
                faces.append(face)
        return faces


def no_face(where: str, width: int, height: int) -> FaceNotFoundError:
    """The error for pictures of width x height without a face."""
    return FaceNotFoundError(
        f"No face found in {where} ({width}x{height}). Tried: {TRIED}. Use a picture in which the face is "
        "larger, sharper or turned more towards the camera, or crop it around the face."
    )


def choose(faces: list[Face], choice: FaceChoice, width: int, height: int) -> Face:
    """One of several faces (at least one, from left to right) of a picture of width x height."""
    if choice.rule == "largest":
        return max(faces, key=lambda face: face.size)
    if choice.rule == "from left":
        return faces[number_from_left(choice, len(faces))]
    x, y = choice.point[0] * width, choice.point[1] * height
    return nearest(faces, x, y)


def number_from_left(choice: FaceChoice, count: int) -> int:
    """The number that was asked for, if there are that many faces."""
    if choice.index >= count:
        there, numbers = ("1 face", "0") if count == 1 else (f"{count} faces", f"0 to {count - 1}")
        raise FaceNotFoundError(
            f"Face number {choice.index} from the left was asked for, counted from 0, "
            f"but the picture shows {there}. Use {numbers}, or take the largest."
        )
    return choice.index


def nearest(faces: list[Face], x: float, y: float) -> Face:
    """The face whose centre is closest to a point in pixels."""
    return min(faces, key=lambda face: math.hypot(face.centre[0] - x, face.centre[1] - y))


def check_picture(picture: Picture) -> None:
    """Raise an `InputError` unless this is RGB uint8 (H, W, 3) of at least 16x16 pixels."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(f"A picture must be RGB uint8 (H, W, 3); this is {picture.dtype} {picture.shape}.")
    check_sides(picture.shape[0], picture.shape[1], "The picture")


def _plausible(landmarks: Points, region: Region) -> bool:
    """Whether the landmarks stayed in the region they were looked for in and fill a fair part of it."""
    found = landmark_region(landmarks)
    moved = math.hypot(found.x - region.x, found.y - region.y)
    return moved < region.side / 2 and region.side / 3 < found.side < region.side * 2


def _same(a: Face, b: Face) -> bool:
    """Whether one face's centre lies well inside the other."""
    (ax, ay), (bx, by) = a.centre, b.centre
    return math.hypot(ax - bx, ay - by) < max(a.size, b.size) / 2
