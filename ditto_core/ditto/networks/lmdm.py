"""LMDM: the motion decoder of the latent motion diffusion model.

It predicts the clean motion of a window of 80 frames from a noisy one, the motion before the window, and
the condition (speech features, emotion, eyes, face shape). A sampler computes what does not depend on x once
a window (`encode`, `steps`), then predicts step by step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

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

    def turns(self, count: int, first: int = 0) -> Tensor:
        """The rotations of `count` positions from `first` on, as unit complex numbers (count, 256)."""
        position = torch.arange(first, first + count, dtype=self.freqs.dtype, device=self.freqs.device)
        angle = torch.outer(position, self.freqs)
        return torch.complex(angle.cos(), angle.sin())


def turned(tokens: Tensor, turns: Tensor) -> Tensor:
    """Tokens (B, T, 512), each pair of neighbouring values rotated by its complex number in `turns`."""
    pairs = torch.view_as_complex(tokens.reshape(*tokens.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Attention(nn.Module):
    """Multi-head attention with packed input projections."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * WIDTH, WIDTH))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH))
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """query: tokens (B, T, 512); keys and values: as the methods of that name give them."""
        return self.look(self._heads(query, 0), keys, values)

    def within(self, placed: Tensor, tokens: Tensor) -> Tensor:
        """Tokens (B, T, 512) look at one another; `placed` are the same with their positions."""
        return self(placed, self.keys(placed), self.values(tokens))

    def look(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """All by head, (B, 8, T, 64), to tokens (B, T, 512)."""
        out = F.scaled_dot_product_attention(queries, keys, values)
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def keys(self, tokens: Tensor) -> Tensor:
        return self._heads(tokens, 1)

    def values(self, tokens: Tensor) -> Tensor:
        return self._heads(tokens, 2)

    def joined(self, shared: Tensor, own: Tensor) -> Iterator[Tensor]:
        """The keys (or values) for each of n steps: those all share, (B, 8, T, 64), then its own.

        own: (n, B or 1, 8, t, 64). Use each before the next is asked for.
        """
        for step in own:
            yield torch.cat([shared, step.expand(shared.shape[0], -1, -1, -1)], dim=2)

    def _heads(self, tokens: Tensor, part: int) -> Tensor:
        """Project with the part-th third of the packed weights: (B, T, 512) to (B, heads, T, 64)."""
        return by_head(self.project(tokens, part))

    def project(self, tokens: Tensor, part: int) -> Tensor:
        rows = slice(part * WIDTH, (part + 1) * WIDTH)
        return F.linear(tokens, self.in_proj_weight[rows], self.in_proj_bias[rows])


def by_head(tokens: Tensor) -> Tensor:
    """(..., T, 64·n) to (..., n, T, 64)."""
    return tokens.view(*tokens.shape[:-1], -1, WIDTH // HEADS).transpose(-3, -2)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, each added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.linear1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.activation = nn.GELU()
        self.linear2 = nn.Linear(FEED_FORWARD, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.rotary = Rotary()

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.self_attn.within(turned(normed, self.rotary.turns(x.shape[1])), normed)
        return x + self.linear2(self.activation(self.linear1(self.norm2(x))))


class FiLM(nn.Module):
    """The scale and shift of tokens that the time vector (..., 512) asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Mish(), nn.Linear(WIDTH, 2 * WIDTH))

    def forward(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift, each (..., 1, 512)."""
        scale, shift = self.block(time).unsqueeze(-2).chunk(2, dim=-1)
        return scale + 1, shift


@dataclass(frozen=True)
class Memory:
    """What the layers look at in n steps: the condition's tokens (B, 80, 512), the same in all, the steps'
    own (n, B or 1, 2, 512), both also with their positions, and the steps' time vectors (n, B, 512)."""

    tokens: Tensor
    placed_tokens: Tensor
    time_tokens: Tensor
    placed_time_tokens: Tensor
    times: Tensor


@dataclass(frozen=True)
class LayerContext:
    """What one decoder layer takes from the condition and the timestep.

    keys and values (B, 8, 82, 64) of the memory; a scale and a shift, each (B, 1, 512), for each branch.
    """

    keys: Tensor
    values: Tensor
    films: list[tuple[Tensor, Tensor]]


class DecoderLayer(nn.Module):
    """Pre-norm self-attention, cross-attention and feed-forward, each FiLM-ed and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.multihead_attn = Attention()
        self.linear1 = nn.Linear(WIDTH, FEED_FORWARD)
        self.activation = nn.GELU()
        self.linear2 = nn.Linear(FEED_FORWARD, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.norm3 = nn.LayerNorm(WIDTH)
        self.film1 = FiLM()
        self.film2 = FiLM()
        self.film3 = FiLM()
        self.rotary = Rotary()

    def contexts(self, memory: Memory) -> Iterator[LayerContext]:
        """One for each step, to be used before the next is asked for.

        The condition's keys and values, most of the work, are computed once.
        """
        attention = self.multihead_attn
        keys = attention.joined(
            attention.keys(memory.placed_tokens), attention.keys(memory.placed_time_tokens)
        )
        values = attention.joined(attention.values(memory.tokens), attention.values(memory.time_tokens))
        films = [film(memory.times) for film in (self.film1, self.film2, self.film3)]
        for step, (step_keys, step_values) in enumerate(zip(keys, values, strict=True)):
            yield LayerContext(step_keys, step_values, [(scale[step], shift[step]) for scale, shift in films])

    def forward(self, x: Tensor, context: LayerContext, turns: Tensor) -> Tensor:
        film1, film2, film3 = context.films
        normed = self.norm1(x)
        x = _add_filmed(x, self.self_attn.within(turned(normed, turns), normed), film1)
        query = turned(self.norm2(x), turns)
        x = _add_filmed(x, self.multihead_attn(query, context.keys, context.values), film2)
        return _add_filmed(x, self.linear2(self.activation(self.linear1(self.norm3(x)))), film3)


def _add_filmed(x: Tensor, branch: Tensor, film: tuple[Tensor, Tensor]) -> Tensor:
    scale, shift = film
    return (x + shift).addcmul_(branch, scale)


class DecoderStack(nn.Module):
    """The decoder layers, under the name the checkpoint gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.ModuleList(DecoderLayer() for _ in range(LAYERS))

    def forward(self, x: Tensor, contexts: Sequence[LayerContext], turns: Tensor) -> Tensor:
        for layer, context in zip(self.stack, contexts, strict=True):
            x = layer(x, context, turns)
        return x


class SinusoidalTime(nn.Module):
    """Diffusion step (...) to sines and cosines (..., 512)."""

    def forward(self, timestep: Tensor) -> Tensor:
        half = WIDTH // 2
        rate = torch.exp(torch.arange(half, device=timestep.device) * -(math.log(10000) / (half - 1)))
        angle = timestep[..., None] * rate
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
        self.rotary = Rotary()
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

    def steps(self, context: Context, timesteps: Tensor) -> Iterator[tuple[LayerContext, ...]]:
        """What `predict` needs for each of n steps, before it asks for the next.

        timesteps (n, B), or (n, 1) when they are the same for the whole batch.
        """
        hidden = self.time_mlp(timesteps)
        tokens = self.norm_cond(context.tokens)
        time_tokens = self.norm_cond(self.to_time_tokens(hidden))
        count = tokens.shape[1]
        memory = Memory(
            tokens,
            turned(tokens, self.rotary.turns(count)),
            time_tokens,
            turned(time_tokens, self.rotary.turns(time_tokens.shape[-2], first=count)),
            self.to_time_cond(hidden) + context.pooled,
        )
        layers = cast(Iterable[DecoderLayer], self.seqTransDecoder.stack)
        return zip(*(layer.contexts(memory) for layer in layers), strict=True)

    def predict(self, x: Tensor, cond_frame: Tensor, step: Sequence[LayerContext]) -> Tensor:
        """The clean motion x0 (B, 80, 265).

        x and cond_frame may be one for several contexts: what the contexts share is computed once.
        """
        before = cond_frame[:, None].expand(-1, x.shape[1], -1)
        tokens = self.input_projection(torch.cat([x, before], dim=-1))
        turns = self.rotary.turns(x.shape[1])
        return self.final_layer(self.seqTransDecoder(tokens, step, turns))

    def forward(
        self, x: Tensor, cond_frame: Tensor, cond: Tensor, timestep: Tensor, unconditional: bool = False
    ) -> Tensor:
        context = self.unconditional(len(x)) if unconditional else self.encode(cond)
        (step,) = self.steps(context, timestep[None])
        return self.predict(x, cond_frame, step)
