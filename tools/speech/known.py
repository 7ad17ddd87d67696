"""Speech of which it is known what is said when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ditto_core.lite.visemes import SAMPLE_RATE


@dataclass(frozen=True)
class Phone:
    """A sound between two times in seconds, as a viseme name."""

    start: float
    stop: float
    viseme: str


@dataclass(frozen=True)
class Speech:
    """float32 samples (T,) at 16 kHz, and what is said when, without gaps."""

    samples: NDArray[np.float32]
    phones: tuple[Phone, ...]


def split(visemes: list[str], start: float, stop: float) -> list[Phone]:
    """Share a phone's time equally among its visemes."""
    edges = np.linspace(start, stop, len(visemes) + 1).tolist()
    return [Phone(a, b, name) for name, (a, b) in zip(visemes, pairwise(edges), strict=True)]


def at_16k(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    common = gcd(rate, SAMPLE_RATE)
    sound = resample_poly(samples / 32768, SAMPLE_RATE // common, rate // common)
    return sound.astype(np.float32)


def write(path: Path, voice: str, text: str, speech: Speech) -> None:
    """A FLAC file and beside it what is said when."""
    with av.open(str(path.with_suffix(".flac")), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        samples = (speech.samples * 32767).round().astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate = SAMPLE_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    about = {
        "text": text,
        "voice": voice,
        "licence": "CC0-1.0",
        "phones": [(round(p.start, 3), round(p.stop, 3), p.viseme) for p in speech.phones],
    }
    path.with_suffix(".json").write_text(json.dumps(about, ensure_ascii=False) + "\n", "utf-8")
