"""What other programs can work with: motion as a plain tensor, keypoints as pictures."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from .blend.composite import Weights
from .data import Keypoints, Motion
from .errors import InputError
from .face.crop import crop_faces
from .face.region import apply_affine
from .sequences import ComputedSequence, GatheredSequence, LazySequence, TensorSequence

BRIGHTNESS = 0.45
"""Of the source behind the drawn points."""
POINT_COLOURS = ((110, 130, 160), (255, 196, 60))
"""Of the source's points and of the driving ones, RGB."""


def motion_to_tensor(motion: Motion) -> Tensor:
    """Motion as a float32 tensor (1, C, 1, N): a picture of height 1 whose x is time."""
    return motion.values.float().T[None, :, None]


def motion_from_tensor(values: Tensor, like: Motion) -> Motion:
    """A tensor (1, C, 1, N) as motion of the same kind as `like`, for the same sound and length.

    Raises an `InputError` for another shape and for values that are no numbers.
    """
    wanted = (1, len(like.channels), 1, len(like.values))
    if tuple(values.shape) != wanted:
        raise InputError(
            f"This motion has the shape {tuple(values.shape)}; the one it stands in for has {wanted} "
            "(1, channels, 1, frames). Bring it to the same length, and use the same engine for both."
        )
    rows = values[0, :, 0].T.to("cpu", torch.float32).contiguous()
    if not bool(torch.isfinite(rows).all()):
        frame = int((~rows.isfinite()).any(dim=1).nonzero()[0])
        raise InputError(f"The motion of frame {frame} holds values that are no numbers.")
    return replace(like, values=rows)


def draw_keypoints(keypoints: Keypoints) -> LazySequence:
    """The source's face crops, dimmed, with its points and where they go: lazy RGB uint8 (N, h, h, 3)."""
    avatar, index = keypoints.avatar, keypoints.source_index
    side = avatar.crop_size
    placed = avatar.crop_to_original[index]
    crops = crop_faces(GatheredSequence(avatar.frames, index), placed, side)
    source = GatheredSequence(keypoints.source, index)

    def compute(start: int, stop: int) -> Tensor:
        pictures = (crops[start:stop] * BRIGHTNESS).to(torch.uint8).numpy()
        for points, colour in zip((source, keypoints.driving), POINT_COLOURS, strict=True):
            shown = _in_crop(points[start:stop], keypoints, placed[start:stop])
            for picture, at in zip(pictures, shown, strict=True):
                _dots(picture, at, colour)
        return torch.from_numpy(pictures)

    return ComputedSequence(compute, len(index), (side, side, 3), torch.uint8)


def repeated(mask: Weights, count: int) -> LazySequence:
    """The same mask (h, w) for `count` frames."""
    return TensorSequence(torch.from_numpy(mask).expand(count, -1, -1))


def _in_crop(points: Tensor, keypoints: Keypoints, placed: Tensor) -> list[np.ndarray]:
    """x and y (K, 2) of each frame's points in pixels of its crop."""
    flat = points[..., :2].float().numpy()
    if keypoints.measured_in == "crop":
        return list((flat + 1) * (keypoints.avatar.crop_size / 2) - 0.5)
    inverse = np.linalg.inv(placed.numpy())
    return [apply_affine(matrix[:2], at) for matrix, at in zip(inverse, flat, strict=True)]


def _dots(picture: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> None:
    # A face of many points is drawn finely, one of 21 so that each is seen.
    radius = picture.shape[0] * (0.002 if len(points) > 100 else 0.007)
    for x, y in np.rint(points * 16).astype(int).tolist():
        cv2.circle(picture, (x, y), max(16, round(radius * 16)), colour, -1, cv2.LINE_AA, 4)
