"""The motion extractor with less to compute: the same numbers from the same weights.

One image at a time, because a batch falls out of a CPU's cache. The response normalisation (GRN) changes no
activations: its scale goes into the weight of the linear layer that follows, its shift into that one's bias.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .motion_extractor import HEADS, Block, MotionExtractor


class FastMotionExtractor(nn.Module):
    """Image (B, 3, 256, 256) in 0..1 to the outputs of `HEADS`, each (B, width)."""

    def __init__(self, extractor: MotionExtractor) -> None:
        super().__init__()
        detector = extractor.detector
        self.downsample = detector.downsample_layers
        self.stages = nn.ModuleList(
            nn.Sequential(*(_FastBlock(block) for block in cast("list[Block]", list(stage.children()))))
            for stage in detector.stages
        )
        self.norm = detector.norm
        heads = [cast(nn.Linear, detector.get_submodule(f"fc_{name}")) for name in HEADS]
        self.weight = nn.Parameter(torch.cat([head.weight for head in heads]))
        self.bias = nn.Parameter(torch.cat([head.bias for head in heads]))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        pooled = torch.cat([self._pooled(item) for item in torch.split(image, 1)])
        out = F.linear(self.norm(pooled), self.weight, self.bias)
        return dict(zip(HEADS, torch.split(out, list(HEADS.values()), dim=1), strict=True))

    def _pooled(self, image: Tensor) -> Tensor:
        out = image.contiguous(memory_format=torch.channels_last)
        for down, stage in zip(self.downsample, self.stages, strict=True):
            out = stage(down(out))
        return out.mean(dim=(-2, -1))


class _FastBlock(nn.Module):
    """One image (1, C, H, W), channels last."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.dwconv, self.norm, self.pwconv1 = block.dwconv, block.norm, block.pwconv1
        self.gamma = nn.Parameter(block.grn.gamma.flatten())
        self.weight = nn.Parameter(block.pwconv2.weight)
        self.bias = nn.Parameter(block.pwconv2.bias + block.pwconv2.weight @ block.grn.beta.flatten())

    def forward(self, x: Tensor) -> Tensor:
        out = F.gelu(self.pwconv1(self.norm(self.dwconv(x).permute(0, 2, 3, 1))))
        energy = out.square().sum(dim=(0, 1, 2)).sqrt()
        scale = 1 + self.gamma * energy / (energy.mean() + 1e-6)
        return x + F.linear(out, self.weight * scale, self.bias).permute(0, 3, 1, 2)
