"""A convolution and the batch norm after it as one convolution."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

Conv = TypeVar("Conv", nn.Conv2d, nn.Conv3d)


def folded(conv: Conv, norm: nn.BatchNorm2d | nn.BatchNorm3d) -> Conv:
    """A convolution that does what `conv` and then `norm` do."""
    both = copy.deepcopy(conv)
    weight, bias = folded_weights(conv, norm)
    both.weight, both.bias = nn.Parameter(weight), nn.Parameter(bias)
    return both


def folded_weights(
    conv: nn.Conv2d | nn.Conv3d, norm: nn.BatchNorm2d | nn.BatchNorm3d
) -> tuple[Tensor, Tensor]:
    """Weight and bias of `folded`."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    weight = conv.weight * scale.view(-1, *[1] * (conv.weight.ndim - 1))
    return weight.detach(), ((bias_of(conv) - mean) * scale + norm.bias).detach()


def bias_of(conv: nn.Conv2d | nn.Conv3d) -> Tensor:
    """The bias of a convolution that has one."""
    return cast(Tensor, conv.bias)
