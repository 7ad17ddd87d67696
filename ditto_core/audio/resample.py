"""Changes the sample rate of sound, and mixes channels down to one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor

from ..data import Audio
from ..errors import InputError

_ZERO_CROSSINGS = 64
_STOP_BAND_DB = 100.0
_BETA = signal.kaiser_beta(_STOP_BAND_DB)
_PASS = 1 - (_STOP_BAND_DB - 7.95) / (2.285 * np.pi * 2 * _ZERO_CROSSINGS) / 2
"""Of the lower Nyquist frequency: the middle of the filter's transition; its stop band begins at its end."""
_MOST_PHASES = 4096
"""Of the whole filter; rates without a common factor, such as 47999 and 16000 Hz, would need far more."""
_PHASES = 512
"""From one zero crossing to the next; a line between two phases is 116 dB near the filter."""
_PIECE = 2**20
"""Weights at a time."""
_SILENT = 10 ** (-40 / 20)
_CANCELLED = 10 ** (-10 / 20)
_BLOCK = 1_000_000
"""Samples at a time."""


def resample(
    samples: Tensor, rate_from: int, rate_to: int, check: Callable[[], None] = lambda: None
) -> Tensor:
    """Resample float32 (C, T) to (C, ceil(T * rate_to / rate_from)).

    Linear-phase polyphase filter with a Kaiser window: flat up to 90 % of the lower Nyquist frequency,
    images and aliases attenuated by 100 dB from there on. Without delay: sample 0 stays at time 0. Where the
    filter would have very many phases, those between some of them are interpolated, as exactly.
    check: called for every `_BLOCK` samples, raises to stop.
    """
    if rate_from <= 0 or rate_to <= 0:
        raise InputError(f"Sample rates must be positive; these are {rate_from} and {rate_to}.")
    if rate_from == rate_to:
        return samples
    up, down = (rate // gcd(rate_from, rate_to) for rate in (rate_to, rate_from))
    part = _block if max(up, down) <= _MOST_PHASES else _block_between_phases
    size = _whole_periods(_BLOCK, down)
    blocks: list[NDArray[np.float32]] = []
    for start in range(0, max(samples.shape[1], 1), size):
        check()
        blocks.append(part(samples.numpy(), start, size, up, down))
    return torch.from_numpy(np.concatenate(blocks, axis=1))


def mono(audio: Audio, rate: int, check: Callable[[], None] = lambda: None) -> Tensor:
    """Mix to one channel and resample: float32 (T,) at `rate`.

    The mean of the channels that carry sound; channels 40 dB below the loudest are left out, so that a
    recording on one side keeps its level. Where the mean cancels by more than 10 dB (one channel is the
    other's inverse) the loudest channel is taken alone. check: as of `resample`.
    """
    return resample(_mix(audio.samples)[None], audio.rate, rate, check)[0]


def _mix(samples: Tensor) -> Tensor:
    if len(samples) == 1:
        return samples[0]
    level = torch.stack([channel.dot(channel) for channel in samples]).sqrt()
    loudest = int(level.argmax())
    heard = (level >= level[loudest] * _SILENT).to(samples.dtype)
    mixed = heard / heard.sum() @ samples
    cancelled = bool(mixed.dot(mixed).sqrt() < level[loudest] * _CANCELLED)
    return samples[loudest] if cancelled else mixed


def _whole_periods(samples: int, down: int) -> int:
    """At least so many samples: as many as become a whole number of the other rate's."""
    return -(-samples // down) * down


def _block(samples: NDArray[np.float32], start: int, size: int, up: int, down: int) -> NDArray[np.float32]:
    """What samples start..start+size-1 of (C, T) become; the filter also sees those on both sides of them."""
    reach = _whole_periods(_ZERO_CROSSINGS * max(up, down) // up + 1, down)
    first = max(0, start - reach)
    seen = samples[:, first : start + size + reach]
    resampled = signal.resample_poly(seen, up, down, axis=1, window=_low_pass(up, down))
    before = (start - first) // down * up
    return resampled[:, before : before + size // down * up]


@lru_cache(maxsize=8)
def _low_pass(up: int, down: int) -> NDArray[np.float32]:
    """Kaiser-windowed sinc at `up` times the input rate (Oppenheim & Schafer, section 7.5.3).

    Its stop band begins at the lower of the two Nyquist frequencies. float32, so that float32 stays float32.
    """
    length = 2 * _ZERO_CROSSINGS * max(up, down) + 1
    window: Any = ("kaiser", _BETA)
    return np.asarray(signal.firwin(length, _PASS / max(up, down), window=window), np.float32)


def _block_between_phases(
    samples: NDArray[np.float32], start: int, size: int, up: int, down: int
) -> NDArray[np.float32]:
    """As `_block`, with some phases of the filter and a line between neighbouring ones."""
    weights = _phases(max(1.0, down / up))
    phases, reach = len(weights) - 1, weights.shape[1] // 2
    padded = np.pad(samples[:, max(0, start - reach) : start + size + reach], ((0, 0), (reach, reach)))
    count = min(size, samples.shape[1] - start)
    places = np.arange(-(-count * up // down), dtype=np.int64) * down  # in 1 / up samples
    windows = sliding_window_view(padded, 2 * reach, axis=1)[:, min(start, reach) + 1 :]
    pieces: list[NDArray[np.float32]] = []
    for place in np.array_split(places, len(places) * reach // _PIECE + 1):
        phase, rest = np.divmod(place % up * phases, up)
        share = (rest / up).astype(np.float32)[:, None]
        between = weights[phase] * (1 - share) + weights[phase + 1] * share
        pieces.append(np.einsum("cnk,nk->cn", windows[:, place // up], between))
    return np.concatenate(pieces, axis=1)


@lru_cache(maxsize=8)
def _phases(scale: float) -> NDArray[np.float32]:
    """The filter of `_low_pass` as (P + 1, 2 R), for an input rate `scale` times the lower rate.

    Row p has the weights of samples -R + 1 .. R for the place p / P of the way from sample 0 to 1.
    """
    reach, phases = ceil(_ZERO_CROSSINGS * scale), ceil(_PHASES / scale)
    crossings = (np.arange(phases + 1)[:, None] / phases + reach - 1 - np.arange(2 * reach)) / scale
    height = 1 - (crossings / _ZERO_CROSSINGS) ** 2
    window = np.where(height < 0, 0, np.i0(_BETA * np.sqrt(np.maximum(height, 0))) / np.i0(_BETA))
    return (_PASS / scale * np.sinc(_PASS * crossings) * window).astype(np.float32)
