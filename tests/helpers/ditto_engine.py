"""Sources, speech and motion for the Ditto engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from helpers.people import face

from ditto_core.data import Audio, Source
from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.draw import FPS, DittoMotion
from ditto_core.ditto.engine import DittoEngine
from ditto_core.host import Host
from ditto_core.media.source import as_source
from ditto_core.options import MotionOptions

FEW_STEPS = MotionOptions(sampling_timesteps=2)


def portrait(side: int = 256) -> np.ndarray:
    return np.array(face(side))


def clip_of(frames: int) -> Source:
    """A video in which the portrait moves a little."""
    moved = [np.roll(portrait(), 2 * frame, axis=1) for frame in range(frames)]
    return as_source(np.stack(moved), FPS)


def sound(seconds: float, rate: int = 16000) -> Audio:
    generator = torch.Generator().manual_seed(1)
    return Audio(0.1 * torch.randn(1, round(seconds * rate), generator=generator), rate)


def drawn(engine: DittoEngine, avatar: DittoAvatar, seconds: float = 0.2, **options: Any) -> DittoMotion:
    speech = engine.encode_speech(sound(seconds), Host())
    return engine.sample_motion(avatar, speech, replace(FEW_STEPS, **options), Host())
