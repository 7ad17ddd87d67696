"""A convolution with a kernel that is wide in height and width, computed by Fourier transforms of tiles.

A 7x7x7 kernel costs 343 multiplications for each pair of channels and position. Over tiles of 16x16, height
and width together cost fewer than 5 instead of 49, and the rounding error is no larger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

rfft2 = cast(Callable[..., Tensor], torch.fft.rfft2)  # PyTorch gives them no types
irfft2 = cast(Callable[..., Tensor], torch.fft.irfft2)

TILE = 16
"""Output pixels a side. Larger tiles compute a little less and hold much more (now 46 MB)."""


class FourierConv3d(nn.Module):
    """(B, C, D, H, W) to (B, O, D, H, W) with weight (O, C, k, k, k), k odd, zero padding of k // 2."""

    kernel: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.channels, _, self.size = weight.shape[:3]
        self.side = TILE + self.size - 1
        spectrum = rfft2(weight.detach(), (self.side, self.side)).conj()  # (O, C, k, fy, fx)
        spectrum = spectrum.permute(3, 4, 1, 2, 0).flatten(0, 1).flatten(2)  # (f, C, k·O)
        self.register_buffer("kernel", spectrum.resolve_conj().contiguous())
        self.bias = nn.Parameter(bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, depth, height, width = x.shape
        spectrum = rfft2(self._tiles(x))  # (B, C, D, rows, columns, fy, fx)
        tiles, frequencies = spectrum.shape[3:5], spectrum.shape[5:]
        rows = spectrum.permute(5, 6, 0, 2, 3, 4, 1).reshape(len(self.kernel), -1, channels)
        taps = torch.bmm(rows, self.kernel).view(*frequencies, batch, depth, *tiles, self.size, -1)
        summed = self._sum_over_depth(taps).permute(2, 6, 3, 4, 5, 0, 1)  # (B, O, D, rows, columns, fy, fx)
        out = irfft2(summed, (self.side, self.side))[..., :TILE, :TILE]
        out = out.transpose(-3, -2).flatten(-2).flatten(-3, -2)[..., :height, :width]
        return out + self.bias.view(-1, 1, 1, 1)

    def _tiles(self, x: Tensor) -> Tensor:
        """Overlapping squares (B, C, D, rows, columns, side, side), zero outside the map."""
        before = self.size // 2
        right, below = (-size % TILE + before for size in (x.shape[-1], x.shape[-2]))
        padded = F.pad(x, (before, right, before, below))
        return padded.unfold(3, self.side, TILE).unfold(4, self.side, TILE)

    def _sum_over_depth(self, taps: Tensor) -> Tensor:
        """Add up what each depth (dimension 3) gets from its neighbours; dimension 6 counts the kernel's."""
        depth = taps.shape[3]
        total = torch.zeros_like(taps.select(6, 0))
        for tap in range(self.size):
            shift = tap - self.size // 2
            first, last = max(0, -shift), min(depth, depth - shift)
            if first < last:
                total[:, :, :, first:last] += taps[:, :, :, first + shift : last + shift, :, :, tap]
        return total
