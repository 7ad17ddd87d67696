"""Ditto's own face finding: the SCRFD detector, then 106 and 203 landmarks, from the published ONNX files.

The detector's and the 106-landmark network's files are InsightFace's, for non-commercial use. Both are fed
blue-green-red, as published, although they were trained on red-green-blue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import FaceNotFoundError
from ..face.find import number_from_left
from ..face.region import Picture, Points, apply_affine
from ..options import FaceChoice

DETECTOR_SIDE = 512
STRIDES = (8, 16, 32)
ANCHORS_PER_CELL = 2
SCORE_THRESHOLD = 0.5
OVERLAP_THRESHOLD = 0.4

SIDE_106 = 192
ENLARGEMENT_106 = 1.5
SIDE_203 = 224

DetectorNetwork = Callable[[Tensor], Sequence[Tensor]]
"""(1, 3, 512, 512) to scores, boxes and keypoints, each for strides 8, 16 and 32."""

LandmarkNetwork = Callable[[Tensor], Tensor]
"""A crop (1, 3, side, side) to its landmarks' numbers."""


@dataclass(frozen=True)
class Boxes:
    """Faces in a picture, best first.

    corners (n, 4) as x0 y0 x1 y1 and five keypoints (n, 5, 2) in pixels; scores (n,) in 0..1.
    """

    corners: Points
    keypoints: Points
    scores: Points

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Sequence[int] | slice) -> Boxes:
        """The faces that `index` names."""
        return Boxes(self.corners[index], self.keypoints[index], self.scores[index])


def detect(picture: Picture, network: DetectorNetwork, threshold: float = SCORE_THRESHOLD) -> Boxes:
    """The faces of RGB uint8 (H, W, 3), in pixels."""
    blob, scale = detector_input(picture)
    outputs = [output.numpy() for output in network(blob)]
    found = [
        _decode(scores.reshape(-1), boxes.reshape(-1, 4), keypoints.reshape(-1, 5, 2), stride, threshold)
        for scores, boxes, keypoints, stride in zip(
            outputs[:3], outputs[3:6], outputs[6:], STRIDES, strict=True
        )
    ]
    corners, keypoints, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(-scores, kind="stable")
    ranked = Boxes(_float32(corners[order] / scale), _float32(keypoints[order] / scale), scores[order])
    return ranked.take(_distinct(ranked.corners))


def detector_input(picture: Picture) -> tuple[Tensor, float]:
    """The picture in the top left of a black square, as the network's input, and how much it was scaled."""
    height, width = picture.shape[:2]
    ratio = height / width
    sides = (DETECTOR_SIDE, int(DETECTOR_SIDE / ratio)) if ratio > 1 else (int(DETECTOR_SIDE * ratio), 512)
    square = np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
    square[: sides[0], : sides[1]] = cv2.resize(picture, sides[::-1])
    return _planes(_float32((square - 127.5) / 128))[:, [2, 1, 0]], sides[0] / height


def _decode(
    scores: Points, boxes: Points, keypoints: Points, stride: int, threshold: float
) -> tuple[Points, Points, Points]:
    """One stride's confident faces in pixels of the network's input: corners, keypoints, scores."""
    kept = np.flatnonzero(scores >= threshold)
    cell = kept // ANCHORS_PER_CELL
    cells = DETECTOR_SIDE // stride
    centres = (np.stack([cell % cells, cell // cells], axis=1) * stride).astype(np.float32)
    reach = boxes[kept] * stride
    corners = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
    return corners, centres[:, None] + keypoints[kept] * stride, scores[kept]


def _distinct(corners: Points) -> list[int]:
    """Numbers of the boxes that overlap no better one too much; a box of one pixel has an area."""
    low, high = corners[:, :2], corners[:, 2:]
    areas = np.prod(high - low + 1, axis=1)
    waiting = np.arange(len(corners))
    kept: list[int] = []
    while len(waiting):
        best, others = waiting[0], waiting[1:]
        kept.append(int(best))
        shared_sides = np.minimum(high[best], high[others]) - np.maximum(low[best], low[others]) + 1
        shared = np.prod(np.maximum(shared_sides, 0), axis=1)
        waiting = others[shared / (areas[best] + areas[others] - shared) <= OVERLAP_THRESHOLD]
    return kept


def choose_box(boxes: Boxes, choice: FaceChoice, width: int, height: int) -> Points:
    """The corners (4,) of the face the user means, in a picture of width x height."""
    if len(boxes) == 0:
        raise FaceNotFoundError(
            f"No face found in the picture ({width}x{height}). Use one in which the face is larger, sharper "
            "or turned more towards the camera, or the built-in face finder, which searches more closely."
        )
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    middles = boxes.corners[:, :2] + sides / 2
    if choice.rule == "largest":
        return boxes.corners[int(np.argmax(np.prod(sides, axis=1)))]
    if choice.rule == "nearest":
        point = np.array([choice.point[0] * width, choice.point[1] * height])
        return boxes.corners[int(np.argmin(((middles - point) ** 2).sum(axis=1)))]
    number = number_from_left(choice, len(boxes))
    return boxes.corners[np.argsort(middles[:, 0], kind="stable")[number]]


def landmarks_106(picture: Picture, box: Points, network: LandmarkNetwork) -> Points:
    """106 landmarks (106, 2) in pixels of the picture, for a face's corners (4,)."""
    blob, to_crop = input_106(picture, box)
    points = network(blob).numpy().reshape(-1, 2)[-106:]
    on_crop = (points + 1) * (SIDE_106 // 2)
    return apply_affine(np.asarray(cv2.invertAffineTransform(to_crop), np.float32), on_crop)


def input_106(picture: Picture, box: Points) -> tuple[Tensor, Points]:
    """The network's input for a face, and the affine (2, 3) from the picture to it."""
    x0, y0, x1, y1 = (float(value) for value in box[:4])
    scale = SIDE_106 / (ENLARGEMENT_106 * max(x1 - x0, y1 - y0))
    shift = SIDE_106 / 2 - scale * np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    to_crop = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    crop = cv2.warpAffine(picture, to_crop, (SIDE_106, SIDE_106))
    return _planes(crop.astype(np.float32))[:, [2, 1, 0]], to_crop


def landmarks_203(crop: Picture, to_picture: Points, network: LandmarkNetwork) -> Points:
    """203 landmarks (203, 2) in pixels of the picture, from the face's upright crop (224, 224, 3).

    to_picture: (3, 3) from pixels of the crop to pixels of the picture.
    """
    points = network(_planes(_float32(crop / 255))).numpy().reshape(-1, 2) * SIDE_203
    return apply_affine(to_picture[:2], points)


def axis_points(points: Points) -> Points:
    """The middle of both eyes and of the mouth (2, 2), from 106 or 203 landmarks."""
    right, left, mouth = _AXIS[len(points)]
    eyes = (points[list(right)].mean(axis=0) + points[list(left)].mean(axis=0)) / 2
    return _float32(np.stack([eyes, points[list(mouth)].mean(axis=0)]))


_AXIS = {
    106: ((33, 35, 40, 39), (87, 89, 94, 93), (52, 61)),
    203: ((0, 6, 12, 18), (24, 30, 36, 42), (48, 66)),
}


def _planes(image: Points) -> Tensor:
    """(H, W, 3) as the network's (1, 3, H, W)."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()


def _float32(values: NDArray[np.floating]) -> Points:
    return values.astype(np.float32)
