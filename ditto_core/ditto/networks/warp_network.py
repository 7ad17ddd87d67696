"""Warping network W: moves the source's feature volume from source to driving keypoints."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .appearance_extractor import CHANNELS, DEPTH
from .blocks import DownBlock3d, UpBlock3d

KEYPOINTS = 21
MOTIONS = KEYPOINTS + 1  # one per keypoint and the background that stays
COMPRESSED = 4
HEATMAP_VARIANCE = 0.01
ENCODER_WIDTHS = (64, 128, 256, 512, 1024)
DECODER_WIDTHS = (512, 256, 128, 64, 32)


def coordinate_grid(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """Voxel positions (D, H, W, 3) as (x, y, z) in -1..1, corners at the ends."""
    z, y, x = (
        2 * torch.arange(n, dtype=like.dtype, device=like.device) / (n - 1) - 1
        for n in (depth, height, width)
    )
    grid_z, grid_y, grid_x = torch.meshgrid(z, y, x, indexing="ij")
    return torch.stack((grid_x, grid_y, grid_z), dim=-1)


def sample(volume: Tensor, positions: Tensor) -> Tensor:
    """Read `volume` (B, C, D, H, W) at `positions` (B, D, H, W, 3), zero outside.

    The published network samples a corner-aligned grid without aligned corners; its weights expect it.
    """
    return F.grid_sample(volume, positions, mode="bilinear", padding_mode="zeros", align_corners=False)


class HourglassEncoder(nn.Module):
    """Five halvings; returns every scale, the input first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, *ENCODER_WIDTHS)
        self.down_blocks = nn.ModuleList(DownBlock3d(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        scales = [x]
        for block in self.down_blocks:
            scales.append(block(scales[-1]))
        return scales


class HourglassDecoder(nn.Module):
    """Five doublings, each joined with the encoder's map of that scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        skips = (0, *reversed(ENCODER_WIDTHS[:-1]))
        below = (ENCODER_WIDTHS[-1], *DECODER_WIDTHS[:-1])
        self.up_blocks = nn.ModuleList(
            UpBlock3d(a + skip, b) for a, skip, b in zip(below, skips, DECODER_WIDTHS, strict=True)
        )
        self.out_channels = DECODER_WIDTHS[-1] + channels
        self.conv = nn.Conv3d(self.out_channels, self.out_channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_channels)

    def forward(self, scales: list[Tensor]) -> Tensor:
        out = scales[-1]
        for block, skip in zip(self.up_blocks, reversed(scales[:-1]), strict=True):
            out = torch.cat([block(out), skip], dim=1)
        return F.relu(self.norm(self.conv(out)))


class Hourglass(nn.Module):
    """U-net over height and width; depth keeps its size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = HourglassEncoder(channels)
        self.decoder = HourglassDecoder(channels)
        self.out_channels = self.decoder.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class DenseMotionNetwork(nn.Module):
    """Blends one rigid motion per keypoint into a dense deformation, and predicts occlusion."""

    def __init__(self) -> None:
        super().__init__()
        self.hourglass = Hourglass(MOTIONS * (COMPRESSED + 1))
        self.mask = nn.Conv3d(self.hourglass.out_channels, MOTIONS, 7, padding=3)
        self.compress = nn.Conv3d(CHANNELS, COMPRESSED, 1)
        self.norm = nn.BatchNorm3d(COMPRESSED)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels * DEPTH, 1, 7, padding=3)

    def forward(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> tuple[Tensor, Tensor]:
        """Deformation (B, D, H, W, 3) and occlusion (B, 1, H, W)."""
        compressed = F.relu(self.norm(self.compress(feature_3d)))
        batch, _, depth, height, width = compressed.shape
        grid = coordinate_grid(depth, height, width, like=compressed)

        motions = self.motions(grid, kp_source, kp_driving)  # (B, 22, D, H, W, 3)
        moved = sample(
            compressed.repeat_interleave(MOTIONS, dim=0), motions.flatten(0, 1)
        )  # (B·22, 4, D, H, W)
        moved = moved.view(batch, MOTIONS, COMPRESSED, depth, height, width)
        heat = self._heatmaps(grid, kp_source, kp_driving)  # (B, 22, 1, D, H, W)

        prediction = self.hourglass(torch.cat([heat, moved], dim=2).flatten(1, 2))
        mask = self.mask(prediction).softmax(dim=1)
        deformation = torch.einsum("bmdhw,bmdhwc->bdhwc", mask, motions)
        occlusion = torch.sigmoid(self.occlusion(prediction.flatten(1, 2)))
        return deformation, occlusion

    @staticmethod
    def motions(grid: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        """Where each of the 22 motions reads: (B, 22, D, H, W, 3)."""
        shift = (kp_source - kp_driving)[:, :, None, None, None]  # (B, 21, 1, 1, 1, 3)
        background = torch.zeros_like(shift[:, :1])
        return grid + torch.cat([background, shift], dim=1)

    @staticmethod
    def _heatmaps(grid: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        def gaussian(keypoints: Tensor) -> Tensor:
            distance = (grid - keypoints[:, :, None, None, None]).square().sum(dim=-1)
            return torch.exp(-0.5 * distance / HEATMAP_VARIANCE)

        heat = gaussian(kp_driving) - gaussian(kp_source)
        return torch.cat([torch.zeros_like(heat[:, :1]), heat], dim=1).unsqueeze(2)


class WarpConv(nn.Module):
    """3x3 convolution, batch norm, leaky ReLU (0.01)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


class WarpNetwork(nn.Module):
    """feature_3d (B, 32, 16, h, w), kp_source and kp_driving (B, 21, 3) to (B, 256, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork()
        self.third = WarpConv(CHANNELS * DEPTH, 256)
        self.fourth = nn.Conv2d(256, 256, 1)

    def forward(self, feature_3d: Tensor, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        deformation, occlusion = self.dense_motion_network(feature_3d, kp_source, kp_driving)
        warped = sample(feature_3d, deformation).flatten(1, 2)
        return self.fourth(self.third(warped)) * occlusion
