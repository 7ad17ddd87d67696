"""Ditto's put-back: the feathered mask, its blend modes, and the compositing with published rounding.

The names of the modes promise percentages that the published formulas do not keep: `MODE_WEIGHTS` says what
each really does in the middle of the face and at the border of the crop.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Picture = NDArray[np.uint8]
Mask = NDArray[np.float32]
BlendMode = Literal["blend", "replace", "strong", "weak", "custom"]
CustomFormula = Literal["opacity", "published"]

BLEND_MODES: tuple[BlendMode, ...] = get_args(BlendMode)

MODE_WEIGHTS: dict[BlendMode, tuple[float, float]] = {
    "blend": (1.0, 0.0),
    "replace": (1.0, 1.0),
    "strong": (1.0, 0.5),
    "weak": (0.5, 0.0),
}
"""Weight of the rendered face in the middle and at the border of the crop; 1 at the border is a hard edge."""


def feathered_mask(height: int, width: int, ratio_h: float = 0.9, ratio_w: float = 0.9) -> Mask:
    """1 in the middle, falling to 0 towards the border over the rest of each side: float32 (h, w).

    ratio_h, ratio_w: extent of the middle as a fraction of the side. Corners fall with the distance from the
    middle's corner.
    """
    if not (0 < ratio_h <= 1 and 0 < ratio_w <= 1):
        raise InputError(f"The mask's extent is {ratio_h} x {ratio_w}; each must be above 0 and at most 1.")
    down = _depth(height, int(height * ratio_h))[:, None]
    across = _depth(width, int(width * ratio_w))[None]
    return (1 - np.clip(np.sqrt(down**2 + across**2), 0, 1)).astype(np.float32)


def _depth(side: int, middle: int) -> NDArray[np.float64]:
    """0 in the middle of a side, rising to 1 at both of its ends."""
    start = (side - middle) // 2
    end = side - start - middle
    return np.concatenate([np.linspace(1, 0, start), np.zeros(middle), np.linspace(0, 1, end)])


def blend_mask(
    mask: Mask, mode: BlendMode, alpha: float | None = None, custom: CustomFormula = "opacity"
) -> Mask:
    """The weight of the rendered face for a mask (h, w) in 0..1.

    `custom` takes `alpha`, 0 (the original) .. 1 (like `blend`); values outside are taken as the nearer
    end. Its `published` formula is another one: at 0.5 all of the crop is half visible, border included, and
    below the border shows more of the render than the middle.
    """
    if mode not in BLEND_MODES:
        raise InputError(f"There is no blend mode {mode!r}; use one of {', '.join(BLEND_MODES)}.")
    if mode != "custom":
        middle, border = MODE_WEIGHTS[mode]
        return (mask * (middle - border) + border).astype(np.float32)
    if alpha is None:
        raise InputError("The blend mode custom needs an alpha between 0 and 1.")
    opacity = min(max(float(alpha), 0.0), 1.0)
    if custom == "published":
        return (mask * opacity + (1 - mask) * (1 - opacity)).astype(np.float32)
    return (mask * opacity).astype(np.float32)


def composite(frame: Picture, face: Picture | Mask, mask: Mask, to_original: Mask) -> Picture:
    """A face crop put on its frame, a new picture.

    frame: RGB uint8 (H, W, 3). face: RGB (h, w, 3) in 0..255, uint8 or float32. mask: (h, w) in 0..1.
    to_original: (3, 3) from pixels of the crop to the frame's. m·face + (1 - m)·frame, warped bilinearly,
    cut off to whole levels as published, not rounded. Only the part the crop covers is computed.
    """
    result: Picture = np.array(frame)
    rows, columns = _covered(to_original, mask.shape, frame.shape)
    part: Picture = result[rows, columns]
    if part.size == 0:
        return result
    weight = np.clip(warp(mask, to_original, rows, columns), 0, 1)[..., None]
    moved = warp(face.astype(np.float32), to_original, rows, columns)
    part[:] = np.clip(weight * moved + (1 - weight) * part, 0, 255).astype(np.uint8)
    return result


def warp(values: Mask, to_original: Mask, rows: slice, columns: slice) -> Mask:
    """Rows and columns of the frame, filled with a crop's values (h, w, …), 0 outside the crop."""
    matrix = to_original[:2].astype(np.float64)
    matrix[:, 2] -= columns.start, rows.start
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return np.asarray(cv2.warpAffine(values, matrix, size), dtype=np.float32)


def _covered(to_original: Mask, crop: tuple[int, ...], frame: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of the frame that the crop reaches."""
    height, width = crop[:2]
    corners = np.array([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]], np.float64)
    points = np.asarray(corners @ to_original[:2].T, np.float64)
    low = np.clip(np.floor(points.min(axis=0)), 0, [frame[1], frame[0]]).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, low, [frame[1], frame[0]]).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
