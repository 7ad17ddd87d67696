"""Finds faces in a picture with BlazeFace (short range), also small and turned ones.

The network sees 128x128 pixels and misses faces smaller than about 12 % of what it sees. So a picture is
searched at several zooms: it is scaled once per zoom and looked at in half-overlapping 128-pixel tiles,
which may be turned. It also "finds" a face that is upside down, with a low score and its eyes anywhere;
`Detector.straighten` settles which way up a face is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..models.runners import Runner
from .region import Picture, Points, Region, apply_affine

SIDE = 128
SCORE_THRESHOLD = 0.5
SURE_SCORE = 0.9  # reached by every face seen the right way up, by none seen the wrong way
OVERLAP_THRESHOLD = 0.3
MAX_ENLARGEMENT = 4.0  # a tile of fewer than 32 pixels shows no face worth animating


@dataclass(frozen=True)
class Detection:
    """A face the detector saw.

    x, y: centre of its box in pixels; width, height: its sides along the axes of the view it was found in.
    keypoints: (6, 2) pixels: both eyes (image-left first on an upright face), nose, mouth, both ears.
    score: 0..1.
    """

    x: float
    y: float
    width: float
    height: float
    keypoints: Points
    score: float

    @property
    def size(self) -> float:
        return max(self.width, self.height)


class Detector:
    """The detection network."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def look(self, picture: Picture, region: Region) -> list[Detection]:
        """Faces in one region of RGB uint8 (H, W, 3), best first."""
        crop = region.crop(picture, SIDE, border=cv2.BORDER_CONSTANT)
        out = self.runner(input=torch.from_numpy(crop.astype(np.float32) / 127.5 - 1.0)[None])
        raw = decode(out["regressors"][0].numpy(), out["classificators"][0, :, 0].numpy())
        to_picture = region.to_picture(SIDE)
        return [_placed(*face, to_picture) for face in zip(*merge(*raw), strict=True)]

    def search(self, picture: Picture, zoom: float, turn: float = 0.0) -> list[Detection]:
        """Faces in the whole picture, each once, best first.

        zoom: side of a tile as a fraction of the picture's long side; turn: angle of the tiles in degrees.
        """
        height, width = picture.shape[:2]
        scale = SIDE / (zoom * max(height, width))
        if zoom < 1 and scale > MAX_ENLARGEMENT:
            return []
        image, to_picture = _scaled(picture, scale)
        found = [face for tile in _tiles(image, turn) for face in self.look(image, tile)]
        return distinct([_moved(face, to_picture) for face in found])

    def straighten(self, picture: Picture, face: Detection) -> Detection:
        """The same face seen the right way up: the best of eight turned looks at its surroundings."""
        if face.score >= SURE_SCORE:
            return face
        looks = [
            again
            for turn in range(0, 360, 45)
            for again in self.look(picture, Region(face.x, face.y, 3 * face.size, math.radians(turn)))
            if math.hypot(again.x - face.x, again.y - face.y) < face.size / 2
        ]
        return max([face, *looks], key=lambda look: look.score)


def anchors() -> Points:
    """The 896 anchor centres in 0..1: a 16x16 grid with two anchors a cell, then 8x8 with six."""
    rows: list[Points] = []
    for grid, count in ((16, 2), (8, 6)):
        line = (np.arange(grid) + 0.5) / grid
        cells = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)
        rows.append(np.repeat(cells, count, axis=0))
    return np.concatenate(rows)


ANCHORS = anchors()


def decode(regressors: Points, logits: Points) -> tuple[Points, Points, Points]:
    """The network's raw output above the score threshold, in fractions of the 128-pixel square.

    regressors (896, 16), logits (896,) -> boxes (n, 4) as x0 y0 x1 y1, keypoints (n, 6, 2), scores (n,).
    """
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))
    kept = scores >= SCORE_THRESHOLD
    raw = (regressors[kept] / SIDE).reshape(-1, 8, 2)
    centres = ANCHORS[kept]
    middle, half = raw[:, 0] + centres, raw[:, 1] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    keypoints = raw[:, 2:] + centres[:, None]
    return _float32(boxes), _float32(keypoints), _float32(scores[kept])


def merge(boxes: Points, keypoints: Points, scores: Points) -> tuple[Points, Points, Points]:
    """Weighted non-maximum suppression (BlazeFace paper, section 3.2.2).

    Anchors that see the same face are averaged with their scores as weights, which keeps a video's boxes
    steadier than taking the best alone. The score is the best anchor's.
    """
    order = np.argsort(-scores, kind="stable")
    merged: list[tuple[Points, Points, float]] = []
    while len(order):
        same = overlap(boxes[order[0]], boxes[order]) > OVERLAP_THRESHOLD
        same[0] = True  # an empty box does not even overlap itself
        group = order[same]
        weights = scores[group] / scores[group].sum()
        box = (boxes[group] * weights[:, None]).sum(0)
        points = (keypoints[group] * weights[:, None, None]).sum(0)
        merged.append((box, points, float(scores[order[0]])))
        order = order[~same]
    return (
        np.array([m[0] for m in merged], dtype=np.float32).reshape(-1, 4),
        np.array([m[1] for m in merged], dtype=np.float32).reshape(-1, 6, 2),
        np.array([m[2] for m in merged], dtype=np.float32),
    )


def overlap(box: Points, boxes: Points) -> Points:
    """Intersection over union of one box (4,) with each of `boxes` (n, 4)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    whole = max(0.0, float(np.prod(box[2:] - box[:2]))) + area - shared
    return shared / np.maximum(whole, 1e-9)


def distinct(found: list[Detection]) -> list[Detection]:
    """Each face once, best score first: neighbouring tiles and zooms see the same face.

    Unlike `merge` this takes the best look alone, since a tile's border may have cut the face in another.
    Two looks show the same face when the centre of one lies well inside the other.
    """
    kept: list[Detection] = []
    for face in sorted(found, key=lambda look: -look.score):
        if not any(math.hypot(face.x - k.x, face.y - k.y) < max(face.size, k.size) / 2 for k in kept):
            kept.append(face)
    return kept


def _tiles(image: Picture, turn: float) -> Iterator[Region]:
    """Half-overlapping 128-pixel tiles, each turned about its centre."""
    for y in _centres(image.shape[0]):
        for x in _centres(image.shape[1]):
            yield Region(x, y, SIDE, math.radians(turn))


def _centres(length: int) -> list[float]:
    """Where the centres of half-overlapping tiles lie along one side."""
    if length <= SIDE:
        return [length / 2]
    gaps = math.ceil((length - SIDE) / (SIDE // 2))
    return [SIDE / 2 + i * (length - SIDE) / gaps for i in range(gaps + 1)]


def _scaled(picture: Picture, scale: float) -> tuple[Picture, Points]:
    """The picture times `scale` without aliasing, and the affine (2, 3) back."""
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    filtering = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(picture, size, interpolation=filtering), dtype=np.uint8)
    sx, sy = width / size[0], height / size[1]
    return image, np.array([[sx, 0, sx / 2 - 0.5], [0, sy, sy / 2 - 0.5]], np.float32)


def _placed(box: Points, keypoints: Points, score: np.float32, affine: Points) -> Detection:
    """A face in fractions of a crop as one in the picture."""
    middle, sides = (box[:2] + box[2:]) / 2 * SIDE, (box[2:] - box[:2]) * SIDE
    (x, y), (width, height) = middle.tolist(), sides.tolist()
    return _moved(Detection(x, y, width, height, keypoints * SIDE, float(score)), affine)


def _moved(face: Detection, affine: Points) -> Detection:
    """A face mapped by a similarity (2, 3); its box keeps the axes of the view it was found in."""
    scale = math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))
    (x, y), *keypoints = apply_affine(affine, np.array([[face.x, face.y], *face.keypoints], np.float32))
    return Detection(
        float(x), float(y), face.width * scale, face.height * scale, np.stack(keypoints), face.score
    )


def _float32(values: NDArray[np.floating]) -> Points:
    return values.astype(np.float32)
