"""Curves over time: smoothing, easing, reading between rows, wandering. Float tensors (M,)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def smooth(curve: Tensor, deviation: float) -> Tensor:
    """Gaussian smoothing; `deviation` in rows. The ends count as going on for ever."""
    radius = int(4 * deviation + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=curve.dtype) / deviation) ** 2)
    padded = F.pad(curve[None, None], (radius, radius), mode="replicate")
    return F.conv1d(padded, (kernel / kernel.sum())[None, None])[0, 0]


def read(curve: Tensor, at: Tensor) -> Tensor:
    """Values between rows, linearly; before the first and after the last row their values."""
    at = at.clamp(0, len(curve) - 1)
    left = at.long().clamp(max=max(len(curve) - 2, 0))
    right = (left + 1).clamp(max=len(curve) - 1)
    return torch.lerp(curve[left], curve[right], (at - left).to(curve.dtype))


def ramp(x: Tensor) -> Tensor:
    """Smoothstep: 0 up to x = 0, 1 from x = 1."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def spline(knots: Tensor, at: Tensor) -> Tensor:
    """A smooth curve through `knots` at 0, 1, 2, … (uniform Catmull-Rom), for 1 <= at < len(knots) - 2."""
    index = at.long()
    t = at - index
    before, left, right, after = (knots[index + shift] for shift in (-1, 0, 1, 2))
    bend = (2 * before - 5 * left + 4 * right - after) * t**2 + (3 * (left - right) + after - before) * t**3
    return left + 0.5 * ((right - before) * t + bend)
