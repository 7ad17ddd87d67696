"""The motion decoder with less to compute: the same motion from the same weights, rearranged once at load.

Its linear layers run on oneDNN, which reads weights in a layout of its own and adds bias and activation while
results are at hand. What the layers look at in a step is written behind what all steps share, not copied.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lmdm import LMDM, Attention, DecoderLayer, EncoderLayer

_onednn = cast(Any, torch.ops).mkldnn


def fast_lmdm(model: LMDM) -> LMDM:
    """A copy that shares what it does not rearrange; the model itself where PyTorch comes without oneDNN."""
    if not (torch.backends.mkldnn.is_available() and hasattr(_onednn, "_linear_pointwise")):
        return model
    shared = {id(weight): weight for weight in model.parameters()}
    quick = copy.deepcopy(model, cast(Any, shared))
    for layer in list(quick.modules()):
        if isinstance(layer, (EncoderLayer, DecoderLayer)):
            layer.add_module("linear1", PackedLinear(layer.linear1.weight, layer.linear1.bias, "gelu"))
            layer.add_module("activation", nn.Identity())
        for name, part in list(layer.named_children()):
            if isinstance(part, Attention):
                layer.add_module(name, PackedAttention(part))
            elif isinstance(part, nn.Linear):
                layer.add_module(name, PackedLinear(part.weight, part.bias))
    return quick


class PackedLinear(nn.Module):
    """x (..., C) to activation(x·weightᵀ + bias) (..., O); float32 on the CPU, and nowhere else."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, activation: str = "none") -> None:
        """activation: "none" or "gelu"."""
        super().__init__()
        self.register_buffer("weight", _onednn._reorder_linear_weight(weight.detach().contiguous()))
        self.register_buffer("bias", bias.detach().contiguous())
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return _onednn._linear_pointwise(x, self.weight, self.bias, self.activation, [], "none")


class PackedAttention(Attention):
    """Attention whose projections are packed linear layers."""

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)  # without the weights of an attention
        weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        self.projections = nn.ModuleList(map(PackedLinear, weights, biases))
        self.out_proj = PackedLinear(attention.out_proj.weight, attention.out_proj.bias)

    def project(self, tokens: Tensor, part: int) -> Tensor:
        return self.projections[part](tokens)

    def joined(self, shared: Tensor, own: Tensor) -> Iterator[Tensor]:
        """As in `Attention`; each overwrites the one before, since all but a few of them are the same."""
        count = shared.shape[2]
        both = F.pad(shared, (0, 0, 0, own.shape[-2]))
        for step in own:
            both[:, :, count:] = step
            yield both
