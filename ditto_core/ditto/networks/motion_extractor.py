"""Motion extractor M: head pose, expression and canonical keypoints of a face crop (ConvNeXt V2 tiny)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = (3, 3, 9, 3)
WIDTHS = (96, 192, 384, 768)
HEADS = {"pitch": 66, "yaw": 66, "roll": 66, "t": 3, "exp": 63, "scale": 1, "kp": 63}
"""Width of each output, in the published order."""


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GRN(nn.Module):
    """Global response normalisation (ConvNeXt V2) on (B, H, W, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        energy = x.square().sum(dim=(1, 2), keepdim=True).sqrt()
        response = energy / (energy.mean(dim=-1, keepdim=True) + 1e-6)
        return self.gamma * (x * response) + self.beta + x


class Block(nn.Module):
    """ConvNeXt V2 block: depthwise 7x7, then a channel MLP with GRN, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = GRN(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        out = self.pwconv2(self.grn(F.gelu(self.pwconv1(out))))
        return x + out.permute(0, 3, 1, 2)


class Detector(nn.Module):
    """Backbone and one linear head per output; the checkpoint's keys start with its name."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 4, stride=4), LayerNorm2d(WIDTHS[0], eps=1e-6))
        between = [
            nn.Sequential(LayerNorm2d(wide, eps=1e-6), nn.Conv2d(wide, wider, 2, stride=2))
            for wide, wider in pairwise(WIDTHS)
        ]
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for width, depth in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.norm = nn.LayerNorm(WIDTHS[-1], eps=1e-6)
        for name, width in HEADS.items():
            self.add_module(f"fc_{name}", nn.Linear(WIDTHS[-1], width))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        out = image
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            out = stage(down(out))
        pooled = self.norm(out.mean(dim=(-2, -1)))
        return {name: self.get_submodule(f"fc_{name}")(pooled) for name in HEADS}


class MotionExtractor(nn.Module):
    """Image (B, 3, 256, 256) in 0..1 to the outputs of `HEADS`, each (B, width).

    Angles are logits over bins of 3 degrees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.detector = Detector()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return self.detector(image)
