"""The warping network with less to compute: the same output from the same weights, rearranged once at load.

Batch norms are folded into their convolutions; convolutions over doubled maps run at the small size
(`upsampled.py`); the 7x7x7 convolution of the motions' mask runs on Fourier transforms (`fourier.py`); the
keypoints' heat maps are products of one exponential an axis, without denormal numbers.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ConvNormReLU3d
from .folding import bias_of, folded, folded_weights
from .fourier import FourierConv3d
from .upsampled import UpsampledConv
from .warp_network import (
    COMPRESSED,
    HEATMAP_VARIANCE,
    MOTIONS,
    DenseMotionNetwork,
    Hourglass,
    WarpNetwork,
    coordinate_grid,
    sample,
)

TINY = 1e-30
"""Heat below this counts as none: convolutions of denormal numbers take up to three times as long."""


class FastWarpNetwork(nn.Module):
    """feature_3d (B, 32, 16, h, w), kp_source and kp_driving (B, 21, 3) to (B, 256, h, w)."""

    def __init__(self, network: WarpNetwork) -> None:
        super().__init__()
        self.dense_motion_network = _FastDenseMotion(network.dense_motion_network)
        self.third = folded(network.third.conv, network.third.norm)
        self.fourth = network.fourth

    def forward(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        deformation, occlusion = self.dense_motion_network(feature_3d, kp_source, kp_driving)
        warped = sample(feature_3d, deformation).flatten(1, 2)
        return self.fourth(F.leaky_relu(self.third(warped), 0.01)) * occlusion


class _FastDenseMotion(nn.Module):
    def __init__(self, network: DenseMotionNetwork) -> None:
        super().__init__()
        self.compress = folded(network.compress, network.norm)
        self.hourglass = _FastHourglass(network.hourglass)
        self.mask = FourierConv3d(network.mask.weight, bias_of(network.mask))
        self.occlusion = _ToOneChannel(network.occlusion)

    def forward(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> tuple[Tensor, Tensor]:
        """Deformation (B, D, H, W, 3) and occlusion (B, 1, H, W)."""
        compressed = F.relu(self.compress(feature_3d))
        batch, _, depth, height, width = compressed.shape
        grid = coordinate_grid(depth, height, width, like=compressed)
        motions = DenseMotionNetwork.motions(grid, kp_source, kp_driving)  # (B, 22, D, H, W, 3)
        known = torch.empty(
            (batch, MOTIONS, COMPRESSED + 1, depth, height, width), dtype=grid.dtype, device=grid.device
        )
        known[:, :, 0] = _heatmaps(grid, kp_source, kp_driving)
        moved = sample(compressed.repeat_interleave(MOTIONS, dim=0), motions.flatten(0, 1))
        known[:, :, 1:] = moved.unflatten(0, (batch, MOTIONS))

        prediction = self.hourglass(known.flatten(1, 2))
        mask = self.mask(prediction).softmax(dim=1)
        deformation = torch.einsum("bmdhw,bmdhwc->bdhwc", mask, motions)
        return deformation, torch.sigmoid(self.occlusion(prediction.flatten(1, 2)))


class _ToOneChannel(nn.Module):
    """A wide convolution to one channel: what each pixel gives to all around it, then added up there."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.size = conv.weight.shape[-1]
        self.given = nn.Parameter(conv.weight[0].flip(1, 2).flatten(1).t().contiguous())  # (k·k, C)
        self.bias = nn.Parameter(bias_of(conv).detach())

    def forward(self, x: Tensor) -> Tensor:
        given = self.given @ x.flatten(2)
        return F.fold(given, x.shape[-2:], self.size, padding=self.size // 2) + self.bias


def _heatmaps(grid: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
    """(B, 22, D, H, W): a bump at each driving keypoint less one at the source's; 0 for the background."""

    def bumps(keypoints: Tensor) -> Tensor:
        x, y, z = (
            torch.exp(-0.5 * (positions - keypoints[..., axis, None]).square() / HEATMAP_VARIANCE)
            for axis, positions in enumerate((grid[0, 0, :, 0], grid[0, :, 0, 1], grid[:, 0, 0, 2]))
        )
        return torch.einsum("bkz,bky,bkx->bkzyx", z, y, x)

    heat = F.hardshrink(bumps(kp_driving) - bumps(kp_source), TINY)
    return torch.cat([torch.zeros_like(heat[:, :1]), heat], dim=1)


class _FastHourglass(nn.Module):
    def __init__(self, hourglass: Hourglass) -> None:
        super().__init__()
        encoder, decoder = hourglass.encoder, hourglass.decoder
        self.down = nn.ModuleList(folded(block.conv, block.norm) for block in _blocks(encoder.down_blocks))
        self.up = nn.ModuleList(
            UpsampledConv(*folded_weights(block.conv, block.norm), scale=2)
            for block in _blocks(decoder.up_blocks)
        )
        self.last = folded(decoder.conv, decoder.norm)

    def forward(self, x: Tensor) -> Tensor:
        scales = [x]
        for conv in self.down:
            scales.append(F.avg_pool3d(F.relu(conv(scales[-1])), (1, 2, 2)))
        out = scales.pop()
        for conv in self.up:
            out = torch.cat([F.relu(conv(out)), scales.pop()], dim=1)
        return F.relu(self.last(out))


def _blocks(modules: nn.ModuleList) -> list[ConvNormReLU3d]:
    return cast(list[ConvNormReLU3d], list(modules))
