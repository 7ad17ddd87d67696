"""The decoder with less to compute: the same picture from the same weights, rearranged once at load.

Spectral norms are divided out; one convolution gives a norm's scale and shift; the maps that the norms of an
upsampling block are drawn from are computed at the feature's size (`upsampled.py`); the shortcut's 1x1
convolution is merged into the shift of its norm. Pixels lie channels last. `to(torch.bfloat16)` is allowed:
means, variances and the last sigmoid keep float32.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import HIDDEN, SPADE, Block, Decoder, SpectralConv2d
from .folding import bias_of
from .upsampled import UpsampledConv


class FastDecoder(nn.Module):
    """Feature (B, 256, h, w) to picture (B, 3, 8h, 8w) in 0..1, as the decoder it was made from."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.fc = _folded(decoder.fc)
        self.middle = nn.ModuleList(
            _FastBlock(cast(Block, decoder.get_submodule(f"G_middle_{index}")), enlarged=1)
            for index in range(6)
        )
        self.up = nn.ModuleList((_FastBlock(decoder.up_0, enlarged=2), _FastBlock(decoder.up_1, enlarged=4)))
        self.image = _folded(cast(nn.Conv2d, decoder.conv_img[0]))

    def forward(self, feature: Tensor) -> Tensor:
        feature = feature.to(self.fc.weight.dtype, memory_format=torch.channels_last)
        out = self.fc(feature)
        for block in (*self.middle, *self.up):
            out = block(out, feature)
        return torch.sigmoid(F.pixel_shuffle(self.image(F.leaky_relu(out, 0.2)), 2).float())


class Conv(nn.Module):
    """A convolution that keeps the size of its map, with its weight channels last."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().contiguous(memory_format=torch.channels_last))
        self.bias = None if bias is None else nn.Parameter(bias.detach())
        self.padding = weight.shape[-1] // 2

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding=self.padding)


class _FastBlock(nn.Module):
    """A decoder block at `enlarged` times the feature's size; from 2 on, its input is doubled first."""

    def __init__(self, block: Block, enlarged: int) -> None:
        super().__init__()
        self.enlarged = enlarged
        self.conv_0, self.conv_1 = _folded(block.conv_0), _folded(block.conv_1)
        self.film_0, self.film_1 = _scale_and_shift(block.norm_0), _scale_and_shift(block.norm_1)
        norms = [block.norm_0, block.norm_1]
        self.conv_s = None
        if block.changes_width:
            self.conv_s = _folded(block.conv_s)
            self.film_s = _scale_and_shift(block.norm_s, self.conv_s.weight[:, :, 0, 0])
            norms.append(block.norm_s)
        shared = [cast(nn.Conv2d, norm.mlp_shared[0]) for norm in norms]
        weight = torch.cat([conv.weight for conv in shared])
        bias = torch.cat([bias_of(conv) for conv in shared])
        self.shared = Conv(weight, bias) if enlarged == 1 else UpsampledConv(weight, bias, enlarged)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        maps = torch.split(F.relu(self.shared(feature)), HIDDEN, dim=1)
        normed = _instance_norm(x)
        if self.enlarged > 1:  # repeating pixels changes no mean and no variance
            normed = F.interpolate(normed, scale_factor=2.0)
        out = self.conv_0(_modulated(normed, self.film_0(maps[0])))
        out = self.conv_1(_modulated(_instance_norm(out), self.film_1(maps[1])))
        if self.conv_s is None:
            return x + out
        film = self.film_s(maps[2])
        scale, shift = film[:, : normed.shape[1]], film[:, normed.shape[1] :]
        return out.add_(shift).add_(self.conv_s(normed.mul_(scale)))


def _instance_norm(x: Tensor) -> Tensor:
    """Batch norm of each item alone: unlike instance norm it keeps the channels last."""
    return torch.cat([F.batch_norm(item, None, None, training=True) for item in torch.split(x, 1)])


def _modulated(normed: Tensor, film: Tensor) -> Tensor:
    scale, shift = film.chunk(2, dim=1)
    return F.leaky_relu_(torch.addcmul(shift, normed, scale), 0.2)


def _scale_and_shift(norm: SPADE, mix: Tensor | None = None) -> Conv:
    """One convolution for 1 + gamma and beta, or for 1 + gamma and mix·beta, mix (O, C)."""
    gamma, beta = norm.mlp_gamma, norm.mlp_beta
    weight, bias = beta.weight, bias_of(beta)
    if mix is not None:
        weight, bias = torch.einsum("oc,c...->o...", mix, weight), mix @ bias
    return Conv(torch.cat([gamma.weight, weight]), torch.cat([1 + bias_of(gamma), bias]))


def _folded(conv: nn.Conv2d | SpectralConv2d) -> Conv:
    """The convolution; a spectral norm is divided out."""
    return Conv(conv.weight, conv.bias)
