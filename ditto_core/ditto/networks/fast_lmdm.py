"""The motion decoder with less to compute: the same motion from the same weights, rearranged once at load.

Its linear layers run on oneDNN, which reads weights in a layout of its own; two that read the same tokens run
as one. What the layers look at in a step is written behind what all steps share, not copied.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lmdm import HEADS, LMDM, WIDTH, Attention, by_head

_onednn = cast(Any, torch.ops).mkldnn

SCALE = (WIDTH // HEADS) ** -0.5
"""Of attention's scores: a power of two, so that weights carry it without rounding."""


def fast_lmdm(model: LMDM) -> LMDM:
    """A copy that shares what it does not rearrange; the model itself where PyTorch comes without oneDNN."""
    if not (torch.backends.mkldnn.is_available() and hasattr(_onednn, "_linear_pointwise")):
        return model
    shared = {id(weight): weight for weight in model.parameters()}
    quick = copy.deepcopy(model, cast(Any, shared))
    for layer in list(quick.modules()):
        for name, part in list(layer.named_children()):
            if isinstance(part, Attention):
                layer.add_module(name, PackedAttention(part))
            elif isinstance(part, nn.Linear):
                layer.add_module(name, PackedLinear(part.weight, part.bias))
    return quick


class PackedLinear(nn.Module):
    """x (..., C) to x·weightᵀ + bias (..., O); float32 on the CPU, and nowhere else."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", _onednn._reorder_linear_weight(weight.detach().contiguous()))
        self.register_buffer("bias", bias.detach().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return _onednn._linear_pointwise(x, self.weight, self.bias, "none", [], "none")


class PackedAttention(Attention):
    """Attention whose projections are packed linear layers."""

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)  # without the weights of an attention
        weight, bias = attention.in_proj_weight.clone(), attention.in_proj_bias.clone()
        weight[:WIDTH] *= SCALE
        bias[:WIDTH] *= SCALE
        self.projections = nn.ModuleList(map(PackedLinear, weight.chunk(3), bias.chunk(3)))
        self.queries_and_keys = PackedLinear(weight[: 2 * WIDTH], bias[: 2 * WIDTH])
        self.out_proj = PackedLinear(attention.out_proj.weight, attention.out_proj.bias)

    def project(self, tokens: Tensor, part: int) -> Tensor:
        return self.projections[part](tokens)

    def within(self, placed: Tensor, tokens: Tensor) -> Tensor:
        queries, keys = by_head(self.queries_and_keys(placed)).chunk(2, dim=-3)
        return self.look(queries, keys, self.values(tokens))

    def look(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """As in `Attention`, of queries that are scaled already."""
        scores = (queries @ keys.contiguous().transpose(-1, -2)).softmax(-1)  # transposed, a copy is slow
        return self.out_proj((scores @ values).transpose(1, 2).flatten(2))

    def joined(self, shared: Tensor, own: Tensor) -> Iterator[Tensor]:
        """As in `Attention`; each overwrites the one before, since all but a few of them are the same."""
        count = shared.shape[2]
        both = F.pad(shared, (0, 0, 0, own.shape[-2]))
        for step in own:
            both[:, :, count:] = step
            yield both
