"""Draws the motion of speech, at once or as it comes, and the blinks that go with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import Motion
from ..emotion import emotion_table
from ..options import MotionOptions
from .blinks import blink_rows, blink_starts, blinks_at, blinks_at_rate
from .condition import Character, Conditioner
from .config import DittoConfig
from .motion import POINTS, WIDTHS, clip, to_vectors
from .networks.lmdm import LMDM
from .sampler import PublishedLMDM, sample, start_noise, step_noise
from .windows import MotionStream, SampleWindow, WindowOptions, sample_offline

FPS = Fraction(25)
"""Frames a second that motion is drawn at."""

CHANNELS = tuple(
    name if width == 1 else f"{name}.{number}" for name, width in WIDTHS.items() for number in range(width)
)


@dataclass(frozen=True)
class DittoMotion(Motion):
    """Motion (N, 265) drawn for a face.

    eyes: (N, 63) offsets of the eyes for its blinks, None when motion itself moves the eyes. drawn_for: the
    scale of the face it was drawn for, None for the avatar's own.
    """

    eyes: Tensor | None = None
    drawn_for: float | None = None


def draw_motion(
    model: LMDM | PublishedLMDM,
    speech: Tensor,
    character: Character,
    config: DittoConfig,
    options: MotionOptions,
    device: torch.device,
    progress: Callable[[int, int], None],
) -> Tensor:
    """Motion (N, 265) at 25 frames a second for speech features (N, 1024).

    progress: called with the steps of diffusion that are done and that there will be, before each of them and
    at the end; raises to stop.
    """
    conditioner, windows = _conditioner(character, config, options), _windows(config, options)
    done, total = itertools.count(), -(-len(speech) // windows.advance) * options.sampling_timesteps
    sample_window = _window_sampler(model, options, device, lambda: progress(next(done), total))
    initial = to_vectors(character.motion)[0]
    motion = sample_offline(conditioner.rows(speech, 0), sample_window, initial, windows)
    progress(total, total)
    return motion if config.limits is None else clip(motion, config.limits)


def stream_motion(
    model: LMDM | PublishedLMDM,
    silence: Tensor,
    character: Character,
    config: DittoConfig,
    options: MotionOptions,
    device: torch.device,
    check: Callable[[], None],
) -> MotionStream:
    """The same for speech that is still coming.

    silence: features (overlap_v2, 1024) for its warm-up. check: called in every step, raises to stop.
    """
    return MotionStream(
        _conditioner(character, config, options),
        _window_sampler(model, options, device, check),
        silence,
        _windows(config, options),
        config.limits,
    )


def _window_sampler(
    model: LMDM | PublishedLMDM, options: MotionOptions, device: torch.device, check: Callable[[], None]
) -> SampleWindow:
    """Draws one window after the other.

    All random numbers come from one CPU generator: first the noise of the steps, then each window's start.
    """
    generator = torch.Generator().manual_seed(options.seed)
    noise = step_noise(options.sampling_timesteps, generator).to(device)

    def window(cond: Tensor, before: Tensor) -> Tensor:
        start = start_noise(generator).to(device)
        given = cond[None].to(device), before[None].to(device), noise, start
        return sample(model, *given, check=check)[0].cpu()

    return window


def _conditioner(character: Character, config: DittoConfig, options: MotionOptions) -> Conditioner:
    return Conditioner(character, _emotion(config, options), first_frame_eyes=options.eye_f0_mode)


def _windows(config: DittoConfig, options: MotionOptions) -> WindowOptions:
    return WindowOptions(options.overlap_v2, options.smo_k_d, config.fix_kp_cond, config.fix_kp_cond_dim)


def _emotion(config: DittoConfig, options: MotionOptions) -> Tensor:
    if options.emo is not None:
        return emotion_table(options.emo)
    return emotion_table("neutral") if config.emotion is None else config.emotion


def blink_offsets(table: Tensor | None, count: int, options: MotionOptions) -> Tensor | None:
    """Offsets of the eyes (count, 63) for a table of a blink (n, 63); None without one: then the drawn motion
    moves the eyes, unless they are to be still."""
    if table is None:
        return None if options.blinks else torch.zeros(count, 3 * POINTS)
    starts = _blink_starts(count, len(table), options) if options.blinks else []
    return table[blink_rows(count, len(table), starts)]


def _blink_starts(count: int, length: int, options: MotionOptions) -> list[int]:
    random = Random(options.seed)
    if options.blink_times is not None:
        return blinks_at(count, length, options.blink_times)
    if options.blink_rate is not None:
        return blinks_at_rate(count, length, options.blink_rate, random)
    return blink_starts(count, length, options.delta_eye_open_n, random)


def at_rate(rows: Tensor, fps: Fraction, count: int) -> Tensor:
    """Rows (N, D) of 25 a second as `count` rows of `fps` a second, on lines between them."""
    if fps == FPS:
        return rows if len(rows) == count else rows[torch.arange(count).clamp(max=len(rows) - 1)]
    place = ((torch.arange(count, dtype=torch.float64) + 0.5) * float(FPS / fps) - 0.5).clamp(
        0, len(rows) - 1
    )
    before = place.floor().long()
    share = (place - before).to(rows.dtype)[:, None]
    return torch.lerp(rows[before], rows[(before + 1).clamp(max=len(rows) - 1)], share)


def fitted(speech: Tensor, count: int) -> Tensor:
    """Features (N, C) as exactly `count` rows: cut, or with the last one repeated."""
    return F.pad(speech[:count].T[None], (0, max(count - len(speech), 0)), mode="replicate")[0].T
