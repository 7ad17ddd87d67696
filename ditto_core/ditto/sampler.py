"""Draws motion from the diffusion model: a cosine schedule and the deterministic part of DDIM with noise.

The schedule is computed in float64 and used in float32, as published. The guided prediction is
x0 = u + scale·(c - u), u without and c with the condition; both run as one batch, and the condition is
encoded once a window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import InputError, check_range
from .networks.lmdm import FRAMES, LMDM, MOTION, Context

TRAINING_STEPS = 1000
GUIDANCE = 2.0

PublishedLMDM = Callable[..., dict[str, Tensor]]
"""The call of the published file: x, cond_frame, cond and time_cond (1,) to x_start, already guided."""

Predict = Callable[[Tensor], Tensor]
"""Noisy motion (1, 80, 265) to the clean one, called once for each step in turn."""


@dataclass(frozen=True)
class Betas:
    """The noise the model was trained with, float32 (1000,): variance of each step, and what of the motion
    is left after it (the cumulative product of 1 - variance)."""

    variance: Tensor
    left: Tensor


@dataclass(frozen=True)
class Steps:
    """n sampling steps: the timestep (n,) each starts from, and what leads to the next one, (n - 1,) each.

    x = keep·x0 + direction·noise + sigma·fresh noise; the last step gives x0 itself.
    """

    timesteps: Tensor
    keep: Tensor
    direction: Tensor
    sigma: Tensor


def cosine_betas() -> Betas:
    """The cosine schedule (Nichol & Dhariwal 2021) with s = 0.008 and at most 0.999 a step."""
    position = torch.arange(TRAINING_STEPS + 1, dtype=torch.float64) / TRAINING_STEPS
    level = torch.cos((position + 0.008) / 1.008 * torch.pi / 2) ** 2
    level = level / level[0]
    variance = (1 - level[1:] / level[:-1]).clamp(0, 0.999).float()
    return Betas(variance, torch.cumprod(1 - variance, dim=0))


BETAS = cosine_betas()


def sampling_steps(count: int) -> Steps:
    """`count` steps evenly over the training's, from the noisiest down, with eta = 1."""
    check_range("sampling_timesteps", count, 1, TRAINING_STEPS)
    times = torch.linspace(-1, TRAINING_STEPS - 1, count + 1).long().flip(0)
    here, there = BETAS.left[times[:-2]], BETAS.left[times[1:-1]]
    sigma = ((1 - here / there) * (1 - there) / (1 - here)).sqrt()
    # This is sqrt(1 - there - sigma^2) without its difference of nearly equal numbers: published code takes
    # the root of a rounding error at the noisiest step, which is negative, hence NaN, for 5 steps.
    direction = (1 - there) * (here / there / (1 - here)).sqrt()
    return Steps(times[:-1], there.sqrt(), direction, sigma)


def step_noise(count: int, generator: torch.Generator) -> Tensor:
    """The noise (count - 1, 1, 80, 265) that the steps add.

    Drawn once and used for every window: that is how the published motion comes to be.
    """
    return torch.randn(count - 1, 1, FRAMES, MOTION, generator=generator)


def start_noise(generator: torch.Generator) -> Tensor:
    """The noise (1, 80, 265) that a window starts from, drawn anew for each."""
    return torch.randn(1, FRAMES, MOTION, generator=generator)


def sample(
    model: LMDM | PublishedLMDM,
    cond: Tensor,
    kp_cond: Tensor,
    noise: Tensor,
    start: Tensor,
    guidance: float = GUIDANCE,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """The motion (1, 80, 265) of one window.

    cond (1, 80, 1103); kp_cond (1, 265), the motion before it; noise (n - 1, 1, 80, 265) as `step_noise`
    draws it, for n steps; start (1, 80, 265). check: called in every step, raises to stop.
    """
    steps = sampling_steps(len(noise) + 1)
    given = cond, kp_cond, steps.timesteps, guidance
    if isinstance(model, nn.Module):
        predict = _guided(cast(LMDM, model), *given)
    else:
        predict = _as_published(model, *given)

    def clean_motion(x: Tensor) -> Tensor:
        check()
        return predict(x)

    x = start
    for step, fresh in enumerate(noise):
        x = _next(steps, step, x, clean_motion(x), fresh)
    return clean_motion(x)


def _guided(model: LMDM, cond: Tensor, kp_cond: Tensor, timesteps: Tensor, guidance: float) -> Predict:
    context = both(model.encode(cond), model.unconditional(1))
    ready = model.steps(context, timesteps[:, None].to(cond.device))

    def predict(x: Tensor) -> Tensor:
        predicted = model.predict(x, kp_cond, next(ready))
        conditional, unconditional = predicted[:1], predicted[1:]
        return unconditional + guidance * (conditional - unconditional)

    return predict


def _as_published(
    model: PublishedLMDM, cond: Tensor, kp_cond: Tensor, timesteps: Tensor, guidance: float
) -> Predict:
    if guidance != GUIDANCE:
        raise InputError(f"This network's guidance is {GUIDANCE} and cannot be {guidance}.")
    ready = iter(range(len(timesteps)))

    def predict(x: Tensor) -> Tensor:
        outputs = model(x=x, cond_frame=kp_cond, cond=cond, time_cond=timesteps[[next(ready)]])
        return outputs["x_start"].to(x.device)

    return predict


def _next(steps: Steps, step: int, x: Tensor, clean: Tensor, fresh: Tensor) -> Tensor:
    """From the noisy motion of one step, and the clean one predicted from it, to the next step's."""
    noise = noise_in(x, clean, BETAS.left[steps.timesteps[step]])
    return clean * steps.keep[step] + steps.direction[step] * noise + steps.sigma[step] * fresh


def noise_in(x: Tensor, clean: Tensor, left: Tensor) -> Tensor:
    """The noise that was added to clean motion; left: see `Betas`."""
    return (1 / (1 - left)).sqrt() * x - clean / (1 / left - 1).sqrt()


def both(conditional: Context, unconditional: Context) -> Context:
    """Both halves of the guidance as one batch."""
    return Context(
        torch.cat([conditional.tokens, unconditional.tokens]),
        torch.cat([conditional.pooled, unconditional.pooled]),
    )
