"""Hear visemes in speech: log-mel features, a small network, and class probabilities at 100 Hz.

The network (trained by `tools/train_visemes.py`, described in docs/viseme_model.md) sees 1.33 s to either
side of a row, so long recordings are read in overlapping windows with the result of a single pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..models.runners import Runner
from .curves import quantile_near

VISEMES = (
    "sil",
    "PP",  # p b m
    "FF",  # f v
    "TH",  # θ ð
    "DD",  # t d n
    "SS",  # s z
    "CH",  # ʃ ʒ tʃ dʒ
    "KK",  # k g ŋ h x
    "LL",
    "RR",
    "AA",  # a ɑ
    "AE",  # æ ʌ
    "EH",  # e ɛ
    "IY",  # i ɪ j
    "OH",  # o ɔ
    "UW",  # u ʊ w y
    "AX",  # ə ɜ
)

SAMPLE_RATE = 16000
HOP = 160
ROWS_PER_SECOND = SAMPLE_RATE // HOP
WINDOW = 400
FFT = 512
BANDS = 40
LOWEST_HZ, HIGHEST_HZ = 60.0, 7600.0

FIELD = 133
"""Rows the network sees to either side of a row."""

_BLOCK = 3000  # rows computed at a time: 30 s
_OFFSET_BINS = 3  # the window spreads a constant over these


class VisemeEncoder:
    """Speech to viseme probabilities; `runner` is the trained network (features -> logits)."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def encode(
        self, samples: Tensor, progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> Tensor:
        """Probabilities and loudness of speech, every 10 ms.

        samples: float32 (T,) at 16 kHz, nominally in -1..1. Returns float32 (M, 18) with M = ceil(T / 160);
        row m describes the sound around time m / 100 s: the 17 probabilities in the order of `VISEMES`,
        then the level in dB (0 is a full-scale square wave, -100 is digital silence). `progress` is told of
        each block of rows before it, and raises to stop.
        Raises an `InputError` for sound that is empty or not mono.
        """
        if samples.ndim != 1 or len(samples) == 0:
            raise InputError(f"Speech must be mono and not empty; this has the shape {tuple(samples.shape)}.")
        rows = row_count(samples)
        bands, level = log_mel(samples, lambda: progress(0, rows))
        features = normalise(bands)
        blocks: list[Tensor] = []
        for start in range(0, rows, _BLOCK):
            progress(start, rows)
            blocks.append(self._probabilities(features, start))
        progress(rows, rows)
        return torch.cat([torch.cat(blocks), level[:, None]], dim=1)

    def _probabilities(self, features: Tensor, start: int) -> Tensor:
        """Rows start..start+_BLOCK-1, from a window that reaches one field further on both sides."""
        first = max(0, start - FIELD)
        window = features[first : start + _BLOCK + FIELD]
        logits = self.runner(features=window.T[None])["logits"][0]
        return logits.softmax(0).T[start - first :][:_BLOCK]


def row_count(samples: Tensor) -> int:
    """Rows of features of 16 kHz sound (T,): ceil(T / 160)."""
    return -(-len(samples) // HOP)


def log_mel(samples: Tensor, check: Callable[[], None] = lambda: None) -> tuple[Tensor, Tensor]:
    """Log-mel bands (M, 40) and level in dB (M,) of 16 kHz sound (T,), M = ceil(T / 160).

    Windows are 25 ms (Hann) centred on their row's time; powers are natural logarithms. check: called for
    each block of rows, raises to stop.
    """
    rows = row_count(samples)
    windows = F.pad(samples.float(), (WINDOW // 2, WINDOW)).unfold(0, WINDOW, HOP)[:rows]
    bands: list[Tensor] = []
    levels: list[Tensor] = []
    for start in range(0, rows, _BLOCK):
        check()
        band, level = _bands_and_level(windows[start : start + _BLOCK])
        bands.append(band)
        levels.append(level)
    return torch.cat(bands), torch.cat(levels)


def normalise(bands: Tensor) -> Tensor:
    """Make log-mel bands (M, 40) independent of loudness, microphone and weak background noise.

    Values count from the loud rows of the 3 s around them, so a quiet passage is heard like a loud one; it is
    raised by at most 30 dB, and steady noise not out of the floor. The floor lies 9 (39 dB) under the loud
    rows; every band loses its mean over the rows that are within 6 of those.
    """
    peaks = bands.amax(dim=1)
    loudest = peaks.quantile(0.95)
    near = quantile_near(peaks, 0.95, 150).maximum(quantile_near(peaks, 0.1, 150) + 9)
    loud = near.clamp(min=loudest - 7).minimum(loudest)
    floored = (bands - loud[:, None]).clamp(min=-9)
    return (floored - floored[peaks >= loud - 6].mean(dim=0)) / 3


def _bands_and_level(windows: Tensor) -> tuple[Tensor, Tensor]:
    window = torch.hann_window(WINDOW)
    power = cast(Tensor, torch.fft.rfft(windows * window, FFT)).abs() ** 2
    # Parseval's theorem gives the mean square of the samples, here without a constant offset.
    heard = power[:, _OFFSET_BINS:].sum(dim=1)
    mean_square = 2 * heard / (FFT * window.square().sum())
    return (power @ _mel_filters() + 1e-9).log(), 10 * (mean_square + 1e-10).log10()


def _mel_filters() -> Tensor:
    """Triangular filters (257, 40), equally spaced on the HTK mel scale 2595 log10(1 + f / 700)."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (torch.linspace(low, high, BANDS + 2, dtype=torch.float64) / 2595) - 1)
    hertz = torch.arange(FFT // 2 + 1, dtype=torch.float64)[:, None] * SAMPLE_RATE / FFT
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return rising.minimum(falling).clamp(min=0).float()
