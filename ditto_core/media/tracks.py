"""The pictures and the sound of a video file that is being written, as their encoders want them."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from torch import Tensor

from ..audio.resample import mono, resample
from ..data import Audio
from .encoders import Container, VideoOptions, find_encoder, speed_options

_BT709 = 1
_LIMITED_RANGE = 1
_OPUS_BITRATE = 256_000  # bits per second that a channel has at most
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_DELAY_KNOWN = 3
"""Pictures from which on x265 knows by how much decoding precedes showing; before, it tells any number."""
_THREADS = Path("/proc/self/task")


class PictureTrack:
    """RGB batches in, encoded pictures out, one every 1 / fps seconds."""

    def __init__(
        self, output: OutputContainer, height: int, width: int, fps: Fraction, options: VideoOptions
    ) -> None:
        encoder = find_encoder(options.codec)
        speed = speed_options(encoder.name, options.crf, options.preset)
        stream: Any = output.add_stream(encoder.name, rate=fps, options=speed)
        self.output = output
        self.stream: VideoStream = stream
        self.time_base = 1 / fps
        self.count = 0
        self.converter = VideoReformatter()  # kept, since to set one up takes longer than a picture
        stream.pix_fmt = options.pixel_format
        stream.width, stream.height = _whole_chroma(width, height, options.pixel_format)
        context = stream.codec_context
        context.time_base = self.time_base
        context.thread_type = "AUTO"
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        if options.codec == "hevc" and output.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the name Apple's players look for

    def write(self, batch: Tensor) -> None:
        if not self.stream.codec_context.is_open:
            with _no_thread_above_others():
                self.stream.codec_context.open()
        height, width = self.stream.height, self.stream.width
        for picture in batch[:, :height, :width].cpu().numpy():
            frame = self._to_yuv(VideoFrame.from_ndarray(np.ascontiguousarray(picture)))
            frame.pts = self.count
            frame.time_base = self.time_base
            self.count += 1
            self.output.mux(self.stream.encode(frame))

    def finish(self) -> None:
        packets: list[Any] = [*self.stream.encode(None)]
        if self.count < _DELAY_KNOWN:
            for packet in packets:  # so few are decoded in the order they are shown
                packet.dts = packet.pts
        self.output.mux(packets)

    def _to_yuv(self, frame: VideoFrame) -> VideoFrame:
        # Said explicitly on both sides, so that the bytes mean what the file's tags say in every PyAV.
        return self.converter.reformat(
            frame,
            format=self.stream.pix_fmt,
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )


@contextmanager
def _no_thread_above_others() -> Generator[None]:
    """Put threads back that become real-time ones meanwhile.

    SVT-AV1 makes its own and the caller's that where it may (for root, as in containers), for good: nothing
    else on the machine would get its turn.
    """
    usual = _THREADS.is_dir() and os.sched_getscheduler(0) == os.SCHED_OTHER
    try:
        yield
    finally:
        for thread in [int(entry.name) for entry in _THREADS.iterdir()] if usual else []:
            with suppress(OSError):  # it has ended
                if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _whole_chroma(width: int, height: int, pixel_format: str) -> tuple[int, int]:
    """The sides without what a chroma sample shared by two columns or rows would half cover."""
    _, chroma = VideoFrame(2, 2, pixel_format).planes[:2]
    return width - width % (2 // chroma.width), height - height % (2 // chroma.height)


class SoundTrack:
    """Sound in pieces, encoded as far as there are pictures; after its end silence follows."""

    def __init__(
        self, output: OutputContainer, rate: int, channels: int, container: Container, options: VideoOptions
    ) -> None:
        codec = container.audio[0] if options.audio_codec == "auto" else options.audio_codec
        encoder = find_encoder(codec)
        self.given_rate = rate
        self.rate = _supported_rate(rate, encoder.audio_rates)
        self.layout = _LAYOUTS[channels]
        self.waiting = torch.empty(channels, 0)
        self.ended = False
        stream: Any = output.add_stream(encoder.name, rate=self.rate, layout=self.layout)
        highest = _OPUS_BITRATE * channels if codec == "opus" else options.audio_bitrate
        stream.bit_rate = min(options.audio_bitrate, highest)
        self.output = output
        self.stream: AudioStream = stream
        self.resampler = av.AudioResampler(_sample_format(encoder), self.layout, self.rate)
        self.written = 0

    def add(self, samples: Tensor) -> None:
        samples = resample(samples, self.given_rate, self.rate)
        self.waiting = torch.cat([self.waiting, samples], dim=1) if self.waiting.shape[1] else samples

    def write_until(self, seconds: Fraction) -> None:
        count = round(seconds * self.rate) - self.written
        missing = count - self.waiting.shape[1]
        if self.ended and missing > 0:
            self.waiting = torch.nn.functional.pad(self.waiting, (0, missing))
        piece, self.waiting = self.waiting[:, :count], self.waiting[:, count:]
        if piece.shape[1] == 0:
            return
        interleaved = piece.T.reshape(1, -1).numpy()  # PyAV refuses eight channels side by side
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(interleaved), "flt", self.layout)
        frame.sample_rate = self.rate
        frame.pts = self.written
        frame.time_base = Fraction(1, self.rate)
        self.written += piece.shape[1]
        for converted in self.resampler.resample(frame):
            self.output.mux(self.stream.encode(converted))

    def finish(self, seconds: Fraction) -> None:
        self.write_until(seconds)
        self.output.mux(self.stream.encode(None))


def _supported_rate(rate: int, supported: Any) -> int:
    """The rate itself, or the next higher one, or the highest one the encoder knows."""
    if not supported or rate in supported:
        return rate
    return min((known for known in supported if known > rate), default=max(supported))


def _sample_format(encoder: av.Codec) -> str:
    names = [each.name for each in encoder.audio_formats or []]
    return next((name for name in ("fltp", "flt") if name in names), names[0])


def as_laid_out(audio: Audio) -> Audio:
    """The same with a number of channels that files know."""
    return audio if len(audio.samples) in _LAYOUTS else Audio(mono(audio, audio.rate)[None], audio.rate)
