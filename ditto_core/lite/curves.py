"""Curves over time: smoothing, running extremes, easing, reading between rows. Float tensors (M,).

Easing is for any shape, and for arrays, too.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .geometry import Floats

Values = TypeVar("Values", Tensor, Floats)


def smooth(curve: Tensor, deviation: float) -> Tensor:
    """Gaussian smoothing; `deviation` in rows. The ends count as going on for ever."""
    radius = int(4 * deviation + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=curve.dtype) / deviation) ** 2)
    padded = F.pad(curve[None, None], (radius, radius), mode="replicate")
    return F.conv1d(padded, (kernel / kernel.sum())[None, None])[0, 0]


def largest_near(curve: Tensor, radius: int) -> Tensor:
    """The largest value within `radius` rows of every row."""
    return F.max_pool1d(curve[None], 2 * radius + 1, stride=1, padding=radius)[0]


def smallest_near(curve: Tensor, radius: int) -> Tensor:
    """The smallest value within `radius` rows of every row."""
    return -largest_near(-curve, radius)


def quantile_near(curve: Tensor, share: float, radius: int) -> Tensor:
    """The `share` quantile of the values within `radius` rows of every row."""
    step = 25  # a running quantile changes slowly
    padded = F.pad(curve, (radius, radius + step), value=float("nan"))
    windows = padded.unfold(0, 2 * radius + 1, step)
    starts = range(0, len(windows), 4096)
    values = torch.cat([windows[at : at + 4096].nanquantile(share, dim=1) for at in starts])
    return read(values, torch.arange(len(curve), dtype=torch.float64) / step)


def read(curve: Tensor, at: Tensor) -> Tensor:
    """Values between rows, linearly; before the first and after the last row their values."""
    at = at.clamp(0, len(curve) - 1)
    left = at.long().clamp(max=max(len(curve) - 2, 0))
    right = (left + 1).clamp(max=len(curve) - 1)
    return torch.lerp(curve[left], curve[right], (at - left).to(curve.dtype))


def smoothstep(x: Values) -> Values:
    """3x² - 2x³: 0 up to x = 0, 1 from x = 1."""
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)


def spline(knots: Tensor, at: Tensor) -> Tensor:
    """A smooth curve through `knots` at 0, 1, 2, … (uniform Catmull-Rom), for 1 <= at < len(knots) - 2."""
    index = at.long()
    t = at - index
    before, left, right, after = (knots[index + shift] for shift in (-1, 0, 1, 2))
    bend = (2 * before - 5 * left + 4 * right - after) * t**2 + (3 * (left - right) + after - before) * t**3
    return left + 0.5 * ((right - before) * t + bend)
