"""Appearance extractor F: a face crop becomes a volume of features."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import ConvNormReLU, DownBlock2d, ResBlock3d

DEPTH = 16
CHANNELS = 32


class AppearanceExtractor(nn.Module):
    """Image (B, 3, 4h, 4w) in 0..1 to feature volume (B, 32, 16, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvNormReLU(3, 64)
        self.down_blocks = nn.ModuleList([DownBlock2d(64, 128), DownBlock2d(128, 256)])
        self.second = nn.Conv2d(256, CHANNELS * DEPTH, 1)
        self.resblocks_3d = nn.Sequential()
        for index in range(6):
            self.resblocks_3d.add_module(f"3dr{index}", ResBlock3d(CHANNELS))

    def forward(self, image: Tensor) -> Tensor:
        out = self.first(image)
        for block in self.down_blocks:
            out = block(out)
        out = self.second(out)
        batch, _, height, width = out.shape
        volume = out.view(batch, CHANNELS, DEPTH, height, width)
        return self.resblocks_3d(volume)
