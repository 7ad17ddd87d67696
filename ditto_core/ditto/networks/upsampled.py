"""A 3-wide convolution over a map enlarged by repeating pixels, computed at the small size.

Where a kernel covers copies of one pixel, its weights there can be added up beforehand. Positions within a
pixel then differ in their kernels: the first reaches into the pixel before, the last into the one after,
those between see one pixel only. The result is the same, borders included, for 2.25 times fewer
multiplications at twice the size and 5.8 times fewer at four times.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FIRST = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
_BETWEEN = torch.tensor([[1.0, 1, 1]])
_LAST = torch.tensor([[1.0, 1, 0], [0, 0, 1]])
"""Rows: the pixels that are read, columns: the kernel's weights that meet there."""


class UpsampledConv(nn.Module):
    """(B, C, [D,] h, w) to (B, O, [D,] scale·h, scale·w): nearest upsampling, then a 3-wide convolution.

    weight (O, C, [3,] 3, 3), zero padding of 1; a depth axis is not enlarged.
    """

    def __init__(self, weight: Tensor, bias: Tensor, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.bias = nn.Parameter(bias.detach())
        between = [(slice(1, scale - 1), 1, _BETWEEN)] if scale > 2 else []
        self.phases = [(slice(0, 1), 0, _FIRST), *between, (slice(scale - 1, scale), 1, _LAST)]
        self.kernels = nn.ParameterList(
            _summed(weight.detach(), rows, columns)
            for _, _, rows in self.phases
            for _, _, columns in self.phases
        )
        self.has_depth = weight.ndim == 5

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = F.pad(x, (1, 1, 1, 1))
        kernels = iter(self.kernels)
        convolve = F.conv3d if self.has_depth else F.conv2d
        padding = (1, 0, 0) if self.has_depth else 0
        shape = (x.shape[0], *x.shape[2:-2], height, self.scale, width, self.scale, len(self.bias))
        out = x.new_empty(shape)  # channels last
        for rows, top, row_sums in self.phases:
            for columns, left, column_sums in self.phases:
                seen = padded[
                    ..., top : top + height + len(row_sums) - 1, left : left + width + len(column_sums) - 1
                ]
                phase = convolve(seen, next(kernels), self.bias, padding=padding).movedim(1, -1)
                out[..., rows, :, columns, :] = phase.unsqueeze(-2).unsqueeze(-4)
        return out.flatten(-5, -4).flatten(-3, -2).movedim(-1, 1)


def _summed(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The kernel of one phase, channels last."""
    kernel = torch.einsum("ai,bj,...ij->...ab", rows.to(weight), columns.to(weight), weight)
    last = torch.channels_last_3d if weight.ndim == 5 else torch.channels_last
    return kernel.contiguous(memory_format=last)
