"""LMDM: the motion decoder of the latent motion diffusion model.

It predicts the clean motion of a window of 80 frames from a noisy one, the motion before the window, and
the condition (speech features, emotion, eyes, face shape). `encode` depends on the condition alone and
`predict` on everything, so a sampler encodes once per window and predicts once per step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOTION = 265
CONDITION = 1103
FRAMES = 80
WIDTH = 512
HEADS = 8
FEED_FORWARD = 1024
LAYERS = 8


class Rotary(nn.Module):
    """Rotary position code over the whole token, applied before the attention's projections."""

    freqs: Tensor

    def __init__(self) -> None:
        super().__init__()
        exponent = torch.arange(0, WIDTH, 2).float() / WIDTH
        self.register_buffer("freqs", 1.0 / 10000**exponent)

    def forward(self, tokens: Tensor) -> Tensor:
        position = torch.arange(tokens.shape[1], dtype=self.freqs.dtype, device=tokens.device)
        angle = torch.outer(position, self.freqs).repeat_interleave(2, dim=-1)
        turned = torch.stack((-tokens[..., 1::2], tokens[..., 0::2]), dim=-1).flatten(-2)
        return tokens * angle.cos() + turned * angle.sin()


class Attention(nn.Module):
    """Multi-head attention with packed input projections."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = F.scaled_dot_product_attention(
            self._heads(query, 0), self._heads(key, 1), self._heads(value, 2)
        )
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def _heads(self, tokens: Tensor, part: int) -> Tensor:
        """Project with the part-th third of the packed weights: (B, T, 512) to (B, heads, T, 64)."""
        rows = slice(part * WIDTH, (part + 1) * WIDTH)
        projected = F.linear(tokens, self.in_proj_weight[rows], self.in_proj_bias[rows])
        return projected.view(*projected.shape[:2], HEADS, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, each added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.linear1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.linear2 = nn.Linear(FEED_FORWARD, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.rotary = Rotary()

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        turned = self.rotary(normed)
        x = x + self.self_attn(turned, turned, normed)
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class FiLM(nn.Module):
    """Scales and shifts tokens (B, T, 512) by what the time vector (B, 512) says."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Mish(), nn.Linear(WIDTH, 2 * WIDTH))

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.block(time).unsqueeze(1).chunk(2, dim=-1)
        return (scale + 1) * tokens + shift


class DecoderLayer(nn.Module):
    """Pre-norm self-attention, cross-attention and feed-forward, each FiLM-ed and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.multihead_attn = Attention()
        self.linear1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.linear2 = nn.Linear(FEED_FORWARD, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.norm3 = nn.LayerNorm(WIDTH)
        self.film1 = FiLM()
        self.film2 = FiLM()
        self.film3 = FiLM()
        self.rotary = Rotary()

    def forward(self, x: Tensor, memory: Tensor, time: Tensor) -> Tensor:
        normed = self.norm1(x)
        turned = self.rotary(normed)
        x = x + self.film1(self.self_attn(turned, turned, normed), time)
        query = self.rotary(self.norm2(x))
        x = x + self.film2(self.multihead_attn(query, self.rotary(memory), memory), time)
        return x + self.film3(self.linear2(F.gelu(self.linear1(self.norm3(x)))), time)


class DecoderStack(nn.Module):
    """The decoder layers, under the name the checkpoint gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.ModuleList(DecoderLayer() for _ in range(LAYERS))

    def forward(self, x: Tensor, memory: Tensor, time: Tensor) -> Tensor:
        for layer in self.stack:
            x = layer(x, memory, time)
        return x


class SinusoidalTime(nn.Module):
    """Diffusion step (B,) to sines and cosines (B, 512)."""

    def forward(self, timestep: Tensor) -> Tensor:
        half = WIDTH // 2
        rate = torch.exp(torch.arange(half, device=timestep.device) * -(math.log(10000) / (half - 1)))
        angle = timestep[:, None] * rate
        return torch.cat((angle.sin(), angle.cos()), dim=-1)


@dataclass(frozen=True)
class Context:
    """An encoded condition: tokens (B, 80, 512) and their summary (B, 512)."""

    tokens: Tensor
    pooled: Tensor


class LMDM(nn.Module):
    """x (B, 80, 265), cond_frame (B, 265), cond (B, 80, 1103), timestep (B,) to clean motion (B, 80, 265)."""

    def __init__(self) -> None:
        super().__init__()
        self.null_cond_embed = nn.Parameter(torch.randn(1, FRAMES, WIDTH))
        self.null_cond_hidden = nn.Parameter(torch.randn(1, WIDTH))
        self.rotary = Rotary()  # unused here; the checkpoint carries its buffer
        self.time_mlp = nn.Sequential(SinusoidalTime(), nn.Linear(WIDTH, 4 * WIDTH), nn.Mish())
        self.to_time_cond = nn.Sequential(nn.Linear(4 * WIDTH, WIDTH))
        self.to_time_tokens = nn.Sequential(nn.Linear(4 * WIDTH, 2 * WIDTH), nn.Unflatten(-1, (2, WIDTH)))
        self.norm_cond = nn.LayerNorm(WIDTH)
        self.input_projection = nn.Linear(2 * MOTION, WIDTH)
        self.cond_projection = nn.Linear(CONDITION, WIDTH)
        self.cond_encoder = nn.Sequential(EncoderLayer(), EncoderLayer())
        self.non_attn_cond_projection = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH)
        )
        self.seqTransDecoder = DecoderStack()
        self.final_layer = nn.Linear(WIDTH, MOTION)

    def encode(self, cond: Tensor) -> Context:
        """The condition's tokens and summary; the same for every diffusion step."""
        tokens = self.cond_encoder(self.cond_projection(cond))
        return Context(tokens, self.non_attn_cond_projection(tokens.mean(dim=1)))

    def unconditional(self, batch: int) -> Context:
        """The learned stand-in for no condition."""
        return Context(self.null_cond_embed.expand(batch, -1, -1), self.null_cond_hidden.expand(batch, -1))

    def predict(self, x: Tensor, cond_frame: Tensor, context: Context, timestep: Tensor) -> Tensor:
        """The clean motion x0 (B, 80, 265)."""
        before = cond_frame[:, None].expand(-1, x.shape[1], -1)
        tokens = self.input_projection(torch.cat([x, before], dim=-1))
        hidden = self.time_mlp(timestep)
        time = self.to_time_cond(hidden) + context.pooled
        memory = self.norm_cond(torch.cat([context.tokens, self.to_time_tokens(hidden)], dim=1))
        return self.final_layer(self.seqTransDecoder(tokens, memory, time))

    def forward(
        self, x: Tensor, cond_frame: Tensor, cond: Tensor, timestep: Tensor, unconditional: bool = False
    ) -> Tensor:
        context = self.unconditional(len(x)) if unconditional else self.encode(cond)
        return self.predict(x, cond_frame, context, timestep)
