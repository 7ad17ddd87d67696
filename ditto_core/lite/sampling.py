"""Takes colours from between the source's pixels: sharply, quickly, and exactly where nothing moves.

The source is interpolated once to half pixels with a cubic filter; from there linear interpolation is sharp
enough and several times faster than cubic interpolation for every frame. Whole pixels stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..face.region import Picture
from .geometry import Floats
from .warp import Window

# Cubic convolution half-way between two samples (Keys 1981, a = -1/2).
_HALF_WAY = np.array([-1, 9, 9, -1], np.float32) / 16


@dataclass(frozen=True, eq=False)
class HalfPixels:
    """A part of a picture at half-pixel spacing: sample (2i, 2j) is pixel (top + i, left + j)."""

    samples: Picture
    left: int
    top: int

    @property
    def height(self) -> int:
        """Height of the part in pixels."""
        return self.samples.shape[0] // 2

    @property
    def width(self) -> int:
        """Width of the part in pixels."""
        return self.samples.shape[1] // 2

    @property
    def pixels(self) -> Picture:
        """The part as it was."""
        return self.samples[::2, ::2]

    @classmethod
    def of(cls, picture: Picture, window: Window) -> HalfPixels:
        """The part of RGB uint8 (H, W, 3) that lies in the window."""
        left, top = max(int(window.left), 0), max(int(window.top), 0)
        part = picture[top : int(window.top + window.height), left : int(window.left + window.width)]
        height, width = part.shape[:2]
        # Side by side as six channels, then one after the other: faster than to write every second pixel.
        pairs = np.asarray(cv2.merge([part, _half_way(part, across=True)]), np.uint8)
        rows = pairs.reshape(height, 2 * width, 3)
        samples = np.stack([rows, _half_way(rows, across=False)], axis=1)
        return cls(samples.reshape(2 * height, 2 * width, 3), left, top)

    def take(self, window: Window, displacement: Floats) -> Picture:
        """The window's samples, each taken `displacement` (rows, columns, 2) pixels away."""
        x, y = window.sample_positions()
        across = displacement[..., 0] * 2
        across += 2 * (x - self.left)
        down = displacement[..., 1] * 2
        down += 2 * (y - self.top)[:, None]
        found = cv2.remap(self.samples, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.uint8)


def colours_at(picture: Picture, points: Floats, blur: float) -> Floats:
    """Colours (…, 3) of RGB uint8 (H, W, 3) around points (…, 2): a Gaussian average of `blur` pixels.

    A point outside the picture has the colour of the nearest place inside.
    """
    height, width = picture.shape[:2]
    inside = np.clip(points.reshape(-1, 1, 2), 0, [width - 1, height - 1]).astype(np.float32)
    reach = int(4 * blur) + 2
    low = np.maximum(inside.min(axis=(0, 1)).astype(np.int64) - reach, 0)
    high = inside.max(axis=(0, 1)).astype(np.int64) + reach + 1
    part = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    if blur > 0:
        part = cv2.GaussianBlur(part, (0, 0), blur)
    x, y = inside[..., 0] - np.float32(low[0]), inside[..., 1] - np.float32(low[1])
    found = cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(*points.shape[:-1], 3)


def _half_way(part: Picture, across: bool) -> Picture:
    """What lies half a pixel to the right of every pixel, or half a pixel below."""
    length = len(_HALF_WAY)
    kernel = _HALF_WAY.reshape((1, length) if across else (length, 1))
    anchor = (1, 0) if across else (0, 1)
    filtered = cv2.filter2D(part, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(filtered, np.uint8)
