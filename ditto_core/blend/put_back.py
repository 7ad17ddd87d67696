"""Puts rendered faces back on the source frames, feathered and by a chosen amount."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import BlendOptions, FaceCrops, Frames
from ..sequences import ComputedSequence, GatheredSequence

Picture = NDArray[np.uint8]
Weights = NDArray[np.float32]


def put_back(crops: FaceCrops, options: BlendOptions | None = None) -> Frames:
    """Composite each face crop onto its source frame.

    out = a·crop + (1-a)·frame with a = amount · mask · feathered border, warped by `crop_to_original`.
    Pixels with a = 0 are the source's own bytes. Lazy: a batch is computed when it is read.
    """
    options = options or BlendOptions()
    keypoints = crops.keypoints
    originals = GatheredSequence(keypoints.avatar.frames, keypoints.source_index)
    border = feathered_border(crops.mask.shape, options.feather)
    alpha: Weights = np.asarray(crops.mask.numpy() * border * options.amount, np.float32)

    def compute(start: int, stop: int) -> Tensor:
        faces = crops.images[start:stop].numpy()
        # A gathered batch is a fresh copy unless the source is one picture: copy before painting on it.
        pictures = originals[start:stop].clone().numpy()
        placed = crops.crop_to_original[keypoints.source_index[start:stop]].numpy()
        for picture, face, crop_to_original in zip(pictures, faces, placed, strict=True):
            _paste(picture, face, alpha, crop_to_original)
        return torch.from_numpy(pictures)

    images = ComputedSequence(compute, len(crops.images), originals.shape, torch.uint8)
    return Frames(images, keypoints.motion.fps, keypoints.motion.audio)


def feathered_border(shape: tuple[int, ...], feather: float) -> Weights:
    """A mask (h, w) that rises from 0 at the border to 1 over `feather` of the shorter side."""
    height, width = shape
    reach = feather * min(height, width)
    if reach < 1:
        return np.ones((height, width), np.float32)
    down = np.minimum(np.arange(height) + 0.5, height - np.arange(height) - 0.5)
    across = np.minimum(np.arange(width) + 0.5, width - np.arange(width) - 0.5)
    ramp = np.clip(np.minimum(down[:, None], across[None]) / reach, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def _paste(
    picture: Picture,
    face: Picture,
    alpha: Weights,
    crop_to_original: NDArray[np.float32],
) -> None:
    offset = _whole_pixel_offset(crop_to_original)
    if offset is None:
        height, width = picture.shape[:2]
        matrix = crop_to_original[:2].astype(np.float64)
        warped = cv2.warpAffine(face, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        face = np.asarray(warped, np.uint8)
        alpha = np.asarray(cv2.warpAffine(alpha, matrix, (width, height)), np.float32)
        offset = (0, 0)
    _blend_at(picture, face, alpha, offset)


def _whole_pixel_offset(matrix: NDArray[np.float32]) -> tuple[int, int] | None:
    """(x, y) when the matrix only moves by whole pixels: then nothing is resampled."""
    x, y = float(matrix[0, 2]), float(matrix[1, 2])
    moves_only = np.array_equal(matrix[:2, :2], np.eye(2))
    return (int(x), int(y)) if moves_only and x.is_integer() and y.is_integer() else None


def _blend_at(
    picture: Picture,
    face: Picture,
    alpha: Weights,
    offset: tuple[int, int],
) -> None:
    x, y = offset
    top, left = max(y, 0), max(x, 0)
    bottom = min(y + face.shape[0], picture.shape[0])
    right = min(x + face.shape[1], picture.shape[1])
    if top >= bottom or left >= right:
        return
    inside = np.s_[top - y : bottom - y, left - x : right - x]
    target = picture[top:bottom, left:right]
    weight = np.ascontiguousarray(alpha[inside])
    rest = np.subtract(1, weight, dtype=np.float32)
    target[:] = cv2.blendLinear(np.ascontiguousarray(face[inside]), np.array(target), weight, rest)
