"""Somebody to animate and something to say, small: the bundled portrait, a clip of it, a buzz."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from ditto_core.demo import PORTRAIT

SECONDS = 0.4


def face(side: int = 256) -> Image.Image:
    with Image.open(PORTRAIT) as picture:
        return picture.convert("RGB").resize((side, side))


def write_speech(
    path: Path,
    seconds: float = SECONDS,
    rate: int = 16000,
    channels: int = 1,
    width: int = 2,
    level: float = 0.3,
) -> Path:
    wobble = np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 180 / rate)
    samples = np.repeat((wobble * level)[:, None], channels, axis=1)
    pcm = (samples * 127 + 128).astype(np.uint8) if width == 1 else (samples * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return path


def write_clip(path: Path, frames: int = 20) -> Path:
    """A silent video of the portrait."""
    picture = av.VideoFrame.from_ndarray(np.asarray(face()), "rgb24")
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": "1"})
        stream.width = stream.height = 256
        for index in range(frames):
            picture.pts = index
            picture.time_base = Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def frames_in(path: Path) -> int:
    with av.open(str(path)) as container:
        assert container.streams.audio
        return sum(1 for _ in container.decode(video=0))
