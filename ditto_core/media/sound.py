"""Reads sound from any file PyAV opens, and takes it from arrays, as float32 (channels, samples)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from itertools import islice
from numbers import Real
from os import PathLike
from typing import Any

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor

from ..audio.resample import resample
from ..data import Audio
from ..errors import InputError, MediaError
from .arrays import as_tensor
from .decoding import open_file, open_video
from .images import unreadable

_log = logging.getLogger(__name__)

RATE_RANGE = (1000, 768_000)
"""Hz; rates outside are taken for mistakes."""

_MOST_CHANNELS = 64
_LOUDEST = 64.0
"""Float samples may overshoot 1, by far in careless mixes; above this they were meant as integers."""
_PLANES = 8
"""Channels side by side from which on PyAV reads beyond the frame; interleaved ones are read rightly."""
_WIDE = ("s64", "s64p")
"""Integers of 64 bits, of which PyAV makes no arrays."""
_MISSING = 0.5
"""Seconds; a track that is shorter than its file says by more than this is incomplete."""
_JITTER = Fraction(1, 10)
"""Seconds by which time stamps may be off; what begins later than this follows a gap."""
_LONGEST_GAP = 600
"""Seconds; a longer one is taken for wrong time stamps, and so are gaps of more in all ..."""
_MOSTLY_GAPS = 10
"""... and of more times what is heard."""
_UNTIMED = ("avi",)
"""Files without time stamps; those FFmpeg makes up for them are wrong where the bit rate varies."""
_CODEC_FRAME = 4096
"""Samples; an encoder pads its last frame by less than this."""
_REORDERED = 32
"""Pictures; one that is shown first is stored among the first of these."""


def read_audio(path: str | PathLike[str]) -> Audio:
    """Read the (first) sound track of a sound or video file, as it was recorded.

    Time 0 is the first picture of a video file, otherwise the first sample: a track that begins later
    gets silence in front, one that begins earlier is cut. Where a track pauses, or a part of it is damaged,
    there is silence, so that the rest stays in time. Encoder delay and padding are removed where the
    container states them. What is damaged or missing at the end is left out; damage is told in the log.
    Raises `MediaError` without a file, without sound, or when nothing can be decoded.
    """
    try:
        with closing(open_file(path)) as container:
            if not container.streams.audio:
                raise MediaError(f"{path} has no sound; choose a file with a sound track.")
            samples, rate, start = _decode(container, container.streams.audio[0], path)
    except FFmpegError as error:
        raise unreadable(path, error) from error
    first_picture = _first_picture_time(path)
    if first_picture is not None:
        samples = _moved(samples, round((start - first_picture) * rate))
    if samples.shape[1] == 0:
        raise MediaError(f"The sound of {path} is empty or damaged; nothing could be decoded.")
    return as_audio(samples.clamp(-_LOUDEST, _LOUDEST), rate)  # what is damaged may be of any size


def as_audio(samples: NDArray[Any] | Tensor, rate: int) -> Audio:
    """Sound from an array: (T,), (C, T) or (1, C, T), any float or integer type, at `rate` Hz.

    Floats are taken as they are (nominally -1..1), integers scaled by their type's full range (unsigned
    ones are centred first). Raises `InputError` for other shapes, no samples, NaN or infinity, and floats
    in the range of integers.
    """
    if not isinstance(rate, Real) or not RATE_RANGE[0] <= rate <= RATE_RANGE[1]:
        raise InputError(
            f"The sample rate is {rate!r}; it must be a number of Hz between {RATE_RANGE[0]} and "
            f"{RATE_RANGE[1]}."
        )
    values = as_tensor(samples).cpu()
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or not 1 <= len(values) <= _MOST_CHANNELS:
        raise InputError(f"Sound must be (samples,) or (channels, samples); this is {tuple(samples.shape)}.")
    if values.shape[1] == 0:
        raise InputError("The sound is empty: it has no samples.")
    values = _full_scale(values)
    if not bool(torch.isfinite(values).all()):
        raise InputError("The sound contains NaN or infinity; check the step that made it.")
    loudest = max(-float(values.min()), float(values.max()))
    if loudest > _LOUDEST:
        raise InputError(f"Float samples must be in -1..1; these reach {loudest:g}. Divide by full scale.")
    return Audio(values.contiguous(), int(rate))


def _full_scale(values: Tensor) -> Tensor:
    if values.is_floating_point():
        return values.float()
    if values.is_complex() or values.dtype == torch.bool:
        raise InputError(f"Sound must be float or integer samples; these are {values.dtype}.")
    info = torch.iinfo(values.dtype)
    half = (info.max - info.min + 1) / 2
    return ((values.double() - (half if info.min == 0 else 0)) / half).float()


def _decode(
    container: InputContainer, stream: AudioStream, path: str | PathLike[str]
) -> tuple[Tensor, int, Fraction]:
    """All samples of `stream` as float32 (C, T), their rate, and the time of the first one in seconds."""
    sound: _Recording | None = None
    for frame in _frames(container, stream, path):
        if sound is None:
            sound = _Recording(frame, stream)
        if container.format.name not in _UNTIMED:
            sound.keep_time(frame)
        sound.append(frame)
    if sound is None:
        return torch.empty(1, 0), 1, Fraction(0)
    heard, stated = sound.count / sound.rate, float((stream.duration or 0) * (stream.time_base or 0))
    if heard < stated - _MISSING:
        _log.warning("The sound of %s is incomplete: %.1f of %.1f s can be read.", path, heard, stated)
    return _without_padding(sound.samples, stream, sound.rate), sound.rate, sound.start


def _frames(
    container: InputContainer, stream: AudioStream, path: str | PathLike[str]
) -> Iterator[AudioFrame]:
    """The decoded frames, up to where a damaged file stops being readable; damaged packets are left out,
    which is told once."""
    told = False
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except FFmpegError as error:
                if not told:
                    _log.warning("%s: damaged parts of the sound cannot be heard (%s).", path, error.strerror)
                told = True
    except (FFmpegError, IndexError) as error:  # PyAV's, of a track that appears on the way
        _log.warning("The sound of %s cannot be read to its end (%s).", path, error)


class _Recording:
    """Samples collected into one growing buffer, in the rate and channels of the first frame, from time
    `start` (s) on."""

    def __init__(self, first: AudioFrame, stream: AudioStream) -> None:
        self.rate = first.sample_rate
        self.start = _time_of(first) or Fraction(0)
        self.shift = Fraction(0)
        expected = stream.duration * (stream.time_base or 0) * self.rate if stream.duration else 0
        self.buffer = torch.empty(_channels(first), int(min(expected, 3600 * self.rate)) + self.rate)
        self.count = 0
        self.filled = 0

    def keep_time(self, frame: AudioFrame) -> None:
        """Fill up with silence to where `frame` begins, when sound is missing before it."""
        time = _time_of(frame)
        if time is None:
            return
        gap = time - self.start - self.shift - Fraction(self.count, self.rate)
        credible = max(_LONGEST_GAP * self.rate, _MOSTLY_GAPS * (self.count - self.filled)) - self.filled
        if gap < -_LONGEST_GAP or gap * self.rate > credible:
            self.shift += gap  # the time stamps begin anew, as in files strung together, or are wrong
        elif gap > _JITTER:
            silence = torch.zeros(len(self.buffer), round(gap * self.rate))
            self.filled += silence.shape[1]
            self._add(silence)

    def append(self, frame: AudioFrame) -> None:
        values = resample(_frame_samples(frame), frame.sample_rate, self.rate)
        if len(values) != len(self.buffer):
            values = values.mean(dim=0, keepdim=True).expand(len(self.buffer), -1)
        self._add(values)

    def _add(self, values: Tensor) -> None:
        end = self.count + values.shape[1]
        if end > self.buffer.shape[1]:
            grown = torch.empty(len(self.buffer), 2 * end)
            grown[:, : self.count] = self.samples
            self.buffer = grown
        self.buffer[:, self.count : end] = values
        self.count = end

    @property
    def samples(self) -> Tensor:
        return self.buffer[:, : self.count]


def _time_of(frame: AudioFrame) -> Fraction | None:
    return None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base


def _channels(frame: AudioFrame) -> int:
    return len(frame.layout.channels)


def _frame_samples(frame: AudioFrame) -> Tensor:
    wide, planes = frame.format.name in _WIDE, not frame.format.is_packed and _channels(frame) >= _PLANES
    if wide or planes:
        target = "dbl" if wide else frame.format.packed
        frame = av.AudioResampler(target, frame.layout, frame.sample_rate).resample(frame)[0]
    values: Any = frame.to_ndarray()
    if frame.format.is_packed:
        values = values.reshape(-1, _channels(frame)).T
    return _full_scale(torch.from_numpy(np.ascontiguousarray(values)))


def _first_picture_time(path: str | PathLike[str]) -> Fraction | None:
    """When the first frame is shown (headers do not always say); None without moving pictures."""
    try:
        container, stream = open_video(path)
    except MediaError:
        return None
    with closing(container):
        times = [
            packet.pts for packet in islice(_shown(container, stream), _REORDERED) if packet.pts is not None
        ]
        return min(times) * Fraction(stream.time_base or 0) if times else None


def _shown(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The pictures in the order they are stored, up to damage, without those before the place a file was cut
    to: they are only there for others to refer to."""
    with suppress(FFmpegError):
        for packet in container.demux(stream):
            if packet.size > 0 and not packet.is_discard:
                yield packet


def _without_padding(samples: Tensor, stream: AudioStream, rate: int) -> Tensor:
    if not stream.duration or not stream.time_base:
        return samples
    stated = round(stream.duration * stream.time_base * rate)
    return samples[:, :stated] if 0 < samples.shape[1] - stated < _CODEC_FRAME else samples


def _moved(samples: Tensor, delay: int) -> Tensor:
    if delay >= 0:
        return torch.nn.functional.pad(samples, (delay, 0))
    return samples[:, -delay:]
