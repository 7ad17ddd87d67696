"""From a source frame to the crops Ditto works on: find the face or follow it, cut it, scale the crop.

The geometry of the crop is the shared one in `ditto_core.face.crop`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..face.crop import face_to_crop, inverse
from ..face.region import Picture, Points
from ..options import AvatarOptions
from .faces import (
    SIDE_203,
    DetectorNetwork,
    LandmarkNetwork,
    axis_points,
    choose_box,
    detect,
    landmarks_106,
    landmarks_203,
)

CROP_SIDE = 512
LANDMARK_CROP = AvatarOptions(crop_scale=1.5, crop_vy_ratio=-0.1)
"""The crop that the 203-landmark network sees."""


@dataclass(frozen=True)
class OfficialFaces:
    """The published face networks."""

    detector: DetectorNetwork
    landmarks_106: LandmarkNetwork
    landmarks_203: LandmarkNetwork


@dataclass(frozen=True)
class Crop:
    """A square cut from a frame: RGB uint8 (side, side, 3), and the matrix (3, 3) from its pixels to the
    frame's."""

    image: Picture
    to_original: Points


@dataclass(frozen=True)
class SourceCrop:
    """The face of one source frame: its 512 crop and its 203 landmarks (203, 2) in pixels of the frame."""

    crop: Crop
    landmarks: Points


def crop_source(
    frame: Picture, faces: OfficialFaces, options: AvatarOptions, previous: Points | None = None
) -> SourceCrop:
    """The face in RGB uint8 (H, W, 3).

    previous: the 203 landmarks of the frame before, from which the face is followed; None searches it, as
    in the first frame. Raises `FaceNotFoundError` when there is none.
    """
    points = previous
    if points is None:
        height, width = frame.shape[:2]
        box = choose_box(detect(frame, faces.detector), options.face, width, height)
        points = landmarks_106(frame, box, faces.landmarks_106)
    view = cut(frame, points, SIDE_203, LANDMARK_CROP)
    landmarks = landmarks_203(view.image, view.to_original, faces.landmarks_203)
    return SourceCrop(cut(frame, landmarks, CROP_SIDE, options), landmarks)


def cut(frame: Picture, landmarks: Points, side: int, options: AvatarOptions) -> Crop:
    """The square around 106 or 203 landmarks, `side` pixels, black outside the frame."""
    matrix = to_crop(landmarks, side, options)[0]
    image = cv2.warpAffine(frame, matrix[:2].float().numpy(), (side, side))
    return Crop(np.asarray(image, dtype=np.uint8), inverse(matrix).float().numpy())


def to_crop(landmarks: Points, side: int, options: AvatarOptions) -> Tensor:
    """The matrix (1, 3, 3) from pixels of the frame to pixels of the crop, in float64.

    In float32 the sums of points round by another amount on another CPU, seen as a thousandth of a pixel.
    """
    points, axis = (torch.from_numpy(values)[None].double() for values in (landmarks, axis_points(landmarks)))
    return face_to_crop(points, axis, side, options)


def network_input(crops: Tensor) -> Tensor:
    """Crops uint8 (N, 512, 512, 3) as float32 (N, 3, 256, 256) in 0..1: rounded means of 2x2 pixels."""
    count, height, width, _ = crops.shape
    blocks = crops.view(count, height // 2, 2, width // 2, 2, 3).sum(dim=(2, 4), dtype=torch.int32)
    return (((blocks + 2) // 4).float() / 255).permute(0, 3, 1, 2).contiguous()
