"""How much of a rendered face is shown where: the feathered border of its crop, and the blend modes.

The names of the modes promise percentages that the published formulas do not keep: `MODE_WEIGHTS` says what
each really does in the middle of the face and at the border of the crop.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..options import BLEND_MODES, BlendMode, CustomFormula
from .composite import Weights

MODE_WEIGHTS: dict[BlendMode, tuple[float, float]] = {
    "blend": (1.0, 0.0),
    "replace": (1.0, 1.0),
    "strong": (1.0, 0.5),
    "weak": (0.5, 0.0),
}
"""Weight of the rendered face in the middle and at the border of the crop; 1 at the border is a hard edge."""


def feathered_border(shape: tuple[int, ...], feather: float) -> Weights:
    """1 in the middle, falling to 0 at the border over `feather` of the shorter side: float32 (h, w).

    For a crop of 512 and a feather of 0.05 this is `feathered_mask` with the published extent.
    """
    height, width = shape
    reach = math.ceil(feather * min(height, width))
    return _border(
        _depth(height, height - 2 * min(reach, height // 2)),
        _depth(width, width - 2 * min(reach, width // 2)),
    )


def feathered_mask(height: int, width: int, ratio_h: float = 0.9, ratio_w: float = 0.9) -> Weights:
    """1 in the middle, falling to 0 towards the border over the rest of each side: float32 (h, w).

    ratio_h, ratio_w: extent of the middle as a fraction of the side. Corners fall with the distance from the
    middle's corner.
    """
    if not (0 < ratio_h <= 1 and 0 < ratio_w <= 1):
        raise InputError(f"The mask's extent is {ratio_h} x {ratio_w}; each must be above 0 and at most 1.")
    return _border(_depth(height, int(height * ratio_h)), _depth(width, int(width * ratio_w)))


def _border(down: NDArray[np.float64], across: NDArray[np.float64]) -> Weights:
    distance = np.sqrt(down[:, None] ** 2 + across[None] ** 2)
    return (1 - np.clip(distance, 0, 1)).astype(np.float32)


def _depth(side: int, middle: int) -> NDArray[np.float64]:
    """0 in the middle of a side, rising to 1 at both of its ends."""
    start = (side - middle) // 2
    end = side - start - middle
    return np.concatenate([np.linspace(1, 0, start), np.zeros(middle), np.linspace(1, 0, end)[::-1]])


def blend_mask(
    mask: Weights, mode: BlendMode, alpha: float | None = None, custom: CustomFormula = "opacity"
) -> Weights:
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
