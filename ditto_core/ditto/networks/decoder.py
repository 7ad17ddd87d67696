"""Decoder G: warped features become a picture (SPADE generator)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 256
HIDDEN = 128
MIDDLE = 512


class SpectralConv2d(nn.Module):
    """Convolution whose weight is divided by its largest singular value, from the stored u and v."""

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, channels_in: int, channels_out: int, size: int, *, bias: bool) -> None:
        super().__init__()
        self.padding = size // 2
        self.weight_orig = nn.Parameter(torch.empty(channels_out, channels_in, size, size))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.register_buffer("weight_u", torch.ones(channels_out) / math.sqrt(channels_out))
        fan_in = channels_in * size * size
        self.register_buffer("weight_v", torch.ones(fan_in) / math.sqrt(fan_in))
        nn.init.kaiming_uniform_(self.weight_orig, a=math.sqrt(5))

    @property
    def weight(self) -> Tensor:
        return self.weight_orig / torch.dot(self.weight_u, self.weight_orig.flatten(1) @ self.weight_v)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding=self.padding)


class SPADE(nn.Module):
    """Instance norm whose scale and shift are drawn from the feature map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(FEATURES, HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(HIDDEN, channels, 3, padding=1)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        hidden = self.mlp_shared(F.interpolate(feature, size=x.shape[-2:]))
        return F.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class Block(nn.Module):
    """Residual block of two SPADE-normalised convolutions."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = min(channels_in, channels_out)
        self.conv_0 = SpectralConv2d(channels_in, middle, 3, bias=True)
        self.conv_1 = SpectralConv2d(middle, channels_out, 3, bias=True)
        self.norm_0 = SPADE(channels_in)
        self.norm_1 = SPADE(middle)
        self.changes_width = channels_in != channels_out
        if self.changes_width:
            self.conv_s = SpectralConv2d(channels_in, channels_out, 1, bias=False)
            self.norm_s = SPADE(channels_in)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        shortcut = self.conv_s(self.norm_s(x, feature)) if self.changes_width else x
        out = self.conv_0(F.leaky_relu(self.norm_0(x, feature), 0.2))
        out = self.conv_1(F.leaky_relu(self.norm_1(out, feature), 0.2))
        return shortcut + out


class Decoder(nn.Module):
    """Feature (B, 256, h, w) to picture (B, 3, 8h, 8w) in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(FEATURES, MIDDLE, 3, padding=1)
        self.G_middle_0 = Block(MIDDLE, MIDDLE)
        self.G_middle_1 = Block(MIDDLE, MIDDLE)
        self.G_middle_2 = Block(MIDDLE, MIDDLE)
        self.G_middle_3 = Block(MIDDLE, MIDDLE)
        self.G_middle_4 = Block(MIDDLE, MIDDLE)
        self.G_middle_5 = Block(MIDDLE, MIDDLE)
        self.up_0 = Block(MIDDLE, 256)
        self.up_1 = Block(256, 64)
        self.conv_img = nn.Sequential(nn.Conv2d(64, 3 * 4, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, feature: Tensor) -> Tensor:
        out = self.fc(feature)
        for index in range(6):
            out = self.get_submodule(f"G_middle_{index}")(out, feature)
        for block in (self.up_0, self.up_1):
            out = block(F.interpolate(out, scale_factor=2.0), feature)
        return torch.sigmoid(self.conv_img(F.leaky_relu(out, 0.2)))
