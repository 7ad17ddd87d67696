"""Speech features at 25 rows a second from a HuBERT that hears short chunks, at once or as speech comes.

A chunk holds some past frames, the frames it is for, and some future ones. HuBERT gives 50 rows a second;
those of the present frames are averaged two by two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..models.memory import Batches

RATE = 16000
FRAME = 640
"""Samples of a frame: 0.04 s."""

OVERHANG = 80
"""Samples HuBERT needs beyond whole frames, so that its last row has a full field of view."""

Encode = Callable[[Tensor], Tensor]
"""Samples (B, T) at 16 kHz to features (B, (T - 400) // 320 + 1, C)."""


@dataclass(frozen=True)
class Chunk:
    """How many frames a chunk holds; other sizes than the published need an encoder that takes them."""

    past: int = 3
    present: int = 5
    future: int = 2

    def __post_init__(self) -> None:
        if self.past < 0 or self.present < 1 or self.future < 0:
            raise InputError(
                f"chunksize is {self.size}; it must be (past, present, future) frames, present >= 1."
            )

    @property
    def size(self) -> tuple[int, int, int]:
        """The documented option `chunksize`."""
        return self.past, self.present, self.future

    @property
    def samples(self) -> int:
        return _start(sum(self.size)) + OVERHANG

    def checked(self, samples: Tensor) -> Tensor:
        """The samples of a chunk, (samples,); what is missing of its future is silence."""
        if not (self.past + self.present) * FRAME <= len(samples) <= self.samples:
            raise InputError(
                f"A chunk of {self.size} frames has {self.samples} samples; this one has {len(samples)}."
            )
        return F.pad(samples, (0, self.samples - len(samples)))

    def encode(self, samples: Tensor, encode: Encode) -> Tensor:
        """The features (B * present, C) of chunks (B, samples), one after the other."""
        rows = encode(samples)
        stop = rows.shape[1] - 2 * self.future
        present = rows[:, stop - 2 * self.present : stop]
        return present.reshape(len(samples) * self.present, 2, -1).mean(dim=1)


PUBLISHED_CHUNK = Chunk()


def row_count(samples: int) -> int:
    """Rows HuBERT's convolutions give for so many samples."""
    return (samples - 400) // 320 + 1


def frame_count(samples: int) -> int:
    """Frames that cover so many samples."""
    return -(-samples // FRAME)


def speech_features(
    samples: Tensor,
    encode: Encode,
    chunk: Chunk = PUBLISHED_CHUNK,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    batches: Batches | None = None,
) -> Tensor:
    """Features (N, C) of a whole recording: mono float32 (T,) at 16 kHz, not normalised.

    batches: how many chunks `encode` gets at once; one when it is not said. `progress` is told of each batch
    before it, and raises to stop.
    """
    if samples.ndim != 1 or len(samples) == 0:
        raise InputError(f"Speech must be mono samples (T,), at least one; this is {tuple(samples.shape)}.")
    count = frame_count(len(samples))
    before = chunk.samples - _start(chunk.present + chunk.future)
    padded = F.pad(samples, (before, chunk.samples))
    frames = range(0, count, chunk.present)

    def listen(first: int, last: int) -> Tensor:
        progress(frames[first], count)
        starts = [_start(frame) for frame in frames[first:last]]
        return chunk.encode(torch.stack([padded[start : start + chunk.samples] for start in starts]), encode)

    features = torch.cat((batches or Batches(1))("listening", listen, 0, len(frames)))[:count]
    progress(count, count)
    return features


class SpeechStream:
    """Features of speech that is still coming: `push` samples, get the rows they complete; `close` at the
    end for the rest. Together one row for each started frame."""

    def __init__(self, encode: Encode, chunk: Chunk = PUBLISHED_CHUNK) -> None:
        self.chunk = chunk
        self._encode = encode
        self._waiting = torch.zeros(chunk.past * FRAME)
        self._samples = 0
        self._rows = 0

    def push(self, samples: Tensor) -> Tensor | None:
        """Take samples (T,) and give the features (k, C) they complete, or None when there are none yet."""
        self._waiting = torch.cat([self._waiting, samples])
        self._samples += len(samples)
        features: list[Tensor] = []
        while len(self._waiting) >= self.chunk.samples:
            features.append(self._next())
        return torch.cat(features) if features else None

    def close(self) -> Tensor | None:
        """The features not given yet, or None when there are none; silence follows the last sample."""
        missing = frame_count(self._samples) - self._rows
        features: list[Tensor] = []
        for _ in range(0, missing, self.chunk.present):
            self._waiting = F.pad(self._waiting, (0, max(self.chunk.samples - len(self._waiting), 0)))
            features.append(self._next())
        return torch.cat(features)[:missing] if features else None

    def _next(self) -> Tensor:
        features = self.chunk.encode(self._waiting[None, : self.chunk.samples], self._encode)
        self._waiting = self._waiting[self.chunk.present * FRAME :]
        self._rows += self.chunk.present
        return features


def _start(frame: int) -> int:
    """The first sample of a frame. The published product rounds down to one sample earlier now and then."""
    return int(frame * 0.04 * RATE)
