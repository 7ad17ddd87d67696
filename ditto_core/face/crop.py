"""The square, upright crop around a face, and back: matrices, cropped pictures, landmarks drawn into them.

The geometry is the one Ditto and LivePortrait cut their faces with: the square spans the landmarks'
extent along the axis from the eyes to the mouth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..options import AvatarOptions
from ..sequences import ComputedSequence, LazySequence
from .region import Picture, Points, apply_affine
from .topology import (
    COUNT,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_EYE_RING,
    LEFT_IRIS,
    LIPS_INNER_RING,
    LIPS_OUTER_RING,
    MOUTH_CORNERS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_EYE_RING,
    RIGHT_IRIS,
)

OUTLINES = (OVAL, LIPS_OUTER_RING, LIPS_INNER_RING, LEFT_EYE_RING, RIGHT_EYE_RING)
BROWS = tuple((*upper, *reversed(lower)) for upper, lower in (LEFT_BROW, RIGHT_BROW))
LINE_COLOUR = (120, 255, 200)
IRIS_COLOUR = (255, 220, 90)
DOT_COLOUR = (255, 255, 255)
DOT_OPACITY = 0.45


@dataclass(frozen=True)
class Rectangle:
    """Turned squares, one a frame: centre (S, 2) and side (S,) in pixels, angle (S,) in radians, positive
    clockwise."""

    centre: Tensor
    side: Tensor
    angle: Tensor


def crop_to_original(landmarks: Tensor, size: int, options: AvatarOptions) -> Tensor:
    """The matrix from pixels of the face crop to pixels of the frame, for every frame.

    landmarks: (S, 478, 2 or 3) pixels. size: side of the crop in pixels. Returns float32 (S, 3, 3).
    """
    points = landmarks[..., :2].float()
    return inverse(face_to_crop(points, axis_points(points), size, options))


def face_to_crop(points: Tensor, axis: Tensor, size: int, options: AvatarOptions) -> Tensor:
    """The matrix (S, 3, 3) from pixels of the frame to those of a crop of `size`: the square that the options
    ask for around points (S, P, 2), upright along the axis (S, 2, 2) from the eyes to the mouth."""
    rectangle = face_rectangle(points, axis, options.crop_scale, options.crop_vx_ratio, options.crop_vy_ratio)
    return original_to_crop(rectangle, size, options.crop_do_rotate)


def axis_points(points: Tensor) -> Tensor:
    """The middle of both eyes and the middle of the mouth's corners: (S, 478, 2) -> (S, 2, 2)."""
    if points.shape[-2] != COUNT:
        raise InputError(f"A face has {COUNT} landmarks; there are {points.shape[-2]}.")
    eyes = (points[:, list(LEFT_EYE)].mean(1) + points[:, list(RIGHT_EYE)].mean(1)) / 2
    return torch.stack([eyes, points[:, list(MOUTH_CORNERS)].mean(1)], dim=1)


def face_rectangle(
    points: Tensor, axis: Tensor, scale: float, vx_ratio: float = 0.0, vy_ratio: float = 0.0
) -> Rectangle:
    """The square around points (S, P, 2), upright along the axis (S, 2, 2) from the eyes to the mouth.

    scale: its side relative to the extent of the points. vx_ratio, vy_ratio: how far its centre moves along
    the face's own axes, in sides of the square.
    """
    down = axis[:, 1] - axis[:, 0]
    length = down.square().sum(1, keepdim=True).sqrt()
    down = torch.where(length > 1e-3, down / length.clamp_min(1e-3), torch.tensor([0.0, 1.0]))
    right = torch.stack([down[:, 1], -down[:, 0]], dim=1)
    angle = torch.acos(right[:, 0].clamp(-1, 1)) * torch.where(right[:, 1] < 0, -1.0, 1.0)

    middle = points.mean(1)
    basis = torch.stack([right, down], dim=1)  # rows: the face's axes
    local = (points - middle[:, None]) @ basis.transpose(1, 2)
    low, high = local.amin(1), local.amax(1)
    side = (high - low).amax(1) * scale
    offset = (low + high) / 2 + side[:, None] * torch.tensor([vx_ratio, vy_ratio])
    centre = middle + (offset[:, None] @ basis)[:, 0]
    return Rectangle(centre, side, angle)


def original_to_crop(rectangle: Rectangle, size: int, rotate: bool = True) -> Tensor:
    """The matrix (S, 3, 3) that puts each square onto a crop of `size` pixels."""
    scale = size / rectangle.side
    angle = rectangle.angle if rotate else torch.zeros_like(rectangle.angle)
    c, s = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack([torch.stack([c, s], dim=-1), torch.stack([-s, c], dim=-1)], dim=-2)
    shift = size / 2 - (linear @ rectangle.centre[..., None])
    last = torch.tensor([0.0, 0.0, 1.0]).expand(len(scale), 1, 3)
    return torch.cat([torch.cat([linear, shift], dim=-1), last], dim=-2)


def crop_faces(frames: LazySequence, crop_to_original: Tensor, size: int) -> LazySequence:
    """The face crops of RGB uint8 frames (S, H, W, 3), lazy (S, size, size, 3), black outside the frame."""

    def compute(start: int, stop: int) -> Tensor:
        crops = [
            _crop(frame.numpy(), matrix.numpy(), size)
            for frame, matrix in zip(frames[start:stop], crop_to_original[start:stop], strict=True)
        ]
        return torch.from_numpy(np.stack(crops))

    return ComputedSequence(compute, len(frames), (size, size, 3), torch.uint8)


def draw_landmarks(crops: LazySequence, landmarks: Tensor, crop_to_original: Tensor) -> LazySequence:
    """The crops with the frames' landmarks (S, 478, 2 or 3) drawn in, lazily."""

    def compute(start: int, stop: int) -> Tensor:
        to_crop = inverse(crop_to_original[start:stop])
        drawn = [
            draw(crop.numpy(), apply_affine(matrix[:2].numpy(), points.numpy()))
            for crop, matrix, points in zip(
                crops[start:stop], to_crop, landmarks[start:stop, :, :2], strict=True
            )
        ]
        return torch.from_numpy(np.stack(drawn))

    return ComputedSequence(compute, len(crops), crops.shape, crops.dtype)


def draw(picture: Picture, points: Points) -> Picture:
    """A copy of RGB uint8 (H, W, 3) with 478 landmarks: thin outlines of the parts, faint dots between."""
    unit = max(1.0, max(picture.shape[:2]) / 512)
    thickness = max(1, round(unit))
    dotted: Picture = np.array(picture)
    for x, y in _fixed_point(points[: LEFT_IRIS[0]]):
        cv2.circle(dotted, (int(x), int(y)), round(0.9 * unit * 16), DOT_COLOUR, -1, cv2.LINE_AA, 4)
    drawn = cv2.addWeighted(dotted, DOT_OPACITY, picture, 1 - DOT_OPACITY, 0)
    lines = [_fixed_point(points[list(outline)]) for outline in (*OUTLINES, *BROWS)]
    cv2.polylines(drawn, lines, True, LINE_COLOUR, thickness, cv2.LINE_AA, 4)
    for iris in (LEFT_IRIS, RIGHT_IRIS):
        centre, *edge = points[list(iris)]
        radius = float(np.linalg.norm(np.stack(edge) - centre, axis=1).mean())
        x, y = _fixed_point(centre)
        cv2.circle(drawn, (int(x), int(y)), round(radius * 16), IRIS_COLOUR, thickness, cv2.LINE_AA, 4)
    return np.asarray(drawn, dtype=np.uint8)


def _crop(frame: Picture, matrix: Points, size: int) -> Picture:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(frame, matrix[:2], (size, size), flags=flags), dtype=np.uint8)


def inverse(matrices: Tensor) -> Tensor:
    """Of matrices (…, 3, 3)."""
    inverted: Tensor = cast(Any, torch.linalg).inv(matrices)  # untyped in torch
    return inverted


def _fixed_point(points: Points) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Sixteenths of a pixel, as OpenCV's drawing functions take them with shift 4."""
    return np.rint(points * 16).astype(np.int32)
