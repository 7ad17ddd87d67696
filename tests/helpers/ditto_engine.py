"""A host, sources and speech for the Ditto engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

import ditto_core
from ditto_core.data import Audio, Source
from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.draw import FPS, DittoMotion
from ditto_core.ditto.engine import DittoEngine
from ditto_core.errors import Interrupted
from ditto_core.host import Host
from ditto_core.media.images import read_image
from ditto_core.media.source import as_source
from ditto_core.options import MotionOptions

PORTRAIT = Path(ditto_core.__file__).parent / "assets" / "astronaut.png"
FEW_STEPS = MotionOptions(sampling_timesteps=2)


class FolderHost(Host):
    """Looks for models in one folder and remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self.stages: list[str] = []
        self.managed: list[str] = []
        self.interrupted = False

    def model_folders(self) -> list[Path]:
        return [self.folder]

    def notice(self, message: str) -> None:
        self.heard.append(message)

    def progress(self, stage: str, done: int, total: int, preview: Tensor | None = None) -> None:
        self.stages.append(stage)

    def manage(self, model: Any) -> None:
        self.managed.append(model.name)

    def check_interrupted(self) -> None:
        if self.interrupted:
            raise Interrupted("stopped")


def portrait(side: int = 256) -> np.ndarray:
    return cv2.resize(read_image(PORTRAIT).numpy(), (side, side), interpolation=cv2.INTER_AREA)


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
