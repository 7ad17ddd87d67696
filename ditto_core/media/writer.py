"""Writes finished frames and their sound as a video file: streamed, exact in time, all or nothing."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from ..audio.resample import mono, resample
from ..data import Audio, Frames
from ..errors import InputError, MediaError
from ..host import Host
from ..sequences import DEFAULT_BATCH
from .encoders import AUDIO_CODECS, CONTAINERS, PRESETS, VIDEO_CODECS, Container, find_encoder, speed_options

_BT709 = 1
_LIMITED_RANGE = 1
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_LARGEST_CRF = 51


@dataclass(frozen=True)
class VideoOptions:
    """How a video is encoded.

    codec: h264, hevc, vp9 or av1. crf: constant quality, 0 (best) .. 51. preset: speed against size, x264's
    names. pixel_format: a yuv format of the encoder, such as yuv420p (plays everywhere), yuv444p or
    yuv420p10le. audio_codec: aac, opus, or auto for what suits the file type. audio_bitrate: bits per second.
    """

    codec: str = "h264"
    crf: int = 18
    preset: str = "veryfast"
    pixel_format: str = "yuv420p"
    audio_codec: str = "auto"
    audio_bitrate: int = 192_000

    def __post_init__(self) -> None:
        for name, value, known in (
            ("codec", self.codec, VIDEO_CODECS),
            ("preset", self.preset, PRESETS),
            ("audio_codec", self.audio_codec, AUDIO_CODECS),
        ):
            if value not in known:
                raise InputError(f"{name} is {value!r}; choose one of {', '.join(known)}.")
        if not 0 <= self.crf <= _LARGEST_CRF:
            raise InputError(f"crf is {self.crf}; it must be between 0 (best) and {_LARGEST_CRF}.")
        if not 32_000 <= self.audio_bitrate <= 512_000:
            raise InputError(f"audio_bitrate is {self.audio_bitrate}; it must be between 32000 and 512000.")


def write_video(
    frames: Frames, path: str | PathLike[str], options: VideoOptions | None = None, host: Host | None = None
) -> Path:
    """Render `frames` batch by batch into a video file with their sound, if they have any; returns its path.

    The suffix chooses the file type (.mp4, .mov, .mkv, .webm). Colours are BT.709, limited range. Where the
    pixel format shares colour between neighbours (4:2:0, 4:2:2) an odd last row or column is dropped. Sound
    keeps its rate if the codec knows it, and is cut or filled with silence to the pictures' duration; more
    channels than stereo are kept as 5.1 and 7.1, other numbers are mixed to one. The file appears under its
    name only when it is complete: it is written beside it, and removed after an error or an interrupt.

    Progress is reported as "render". Raises `InputError` for options that do not fit together and
    `MediaError` when the file cannot be written.
    """
    options, host, path = options or VideoOptions(), host or Host(), Path(path)
    container = container_for(path, options)
    if len(frames.images) == 0:
        raise InputError("There are no frames to write.")
    with _published(path) as unfinished, _explained(path):
        output = av.open(str(unfinished), "w", format=container.format, options=_muxer_options(container))
        try:
            _encode(frames, output, container, options, host)
        except BaseException:
            # Closing completes the file and may fail as well; it is thrown away, so the first error counts.
            with suppress(FFmpegError, OSError, ValueError):
                output.close()
            raise
        output.close()
        _check_complete(unfinished, len(frames.images))
    return path


def container_for(path: Path, options: VideoOptions) -> Container:
    """The file type of `path`; an `InputError` when it is unknown or cannot hold what `options` ask for."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise InputError(f"{path.name}: the name must end in one of {', '.join(CONTAINERS)}.")
    if options.codec not in container.video:
        raise InputError(
            f"{path.suffix} files hold {' or '.join(container.video)} video, not {options.codec}."
        )
    if options.audio_codec not in ("auto", *container.audio):
        raise InputError(
            f"{path.suffix} files hold {' or '.join(container.audio)} sound, not {options.audio_codec}."
        )
    return container


def _muxer_options(container: Container) -> dict[str, str]:
    # The index goes to the front, so that players can start before the whole file is there.
    return {"movflags": "+faststart"} if container.format in ("mp4", "mov") else {}


@contextmanager
def _published(path: Path) -> Generator[Path]:
    """A new hidden file beside `path` that takes its name when the block succeeds and goes when it fails."""
    unfinished = path.with_name(f".ditto-{uuid.uuid4().hex[:12]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise MediaError(f"{path} is a folder; name a file in it.")
        unfinished.touch(exist_ok=False)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield unfinished
        try:
            unfinished.replace(path)
        except OSError as error:
            raise _cannot_write(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn what PyAV raises into a `MediaError` for the user."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: Exception) -> MediaError:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediaError(f"{path} cannot be written: the disk is full. Free some space or write elsewhere.")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MediaError(f"{path} cannot be written: the folder is write-protected. Choose another one.")
    reason = getattr(error, "strerror", None) or error
    return MediaError(f"{path} cannot be written ({reason}). Choose another folder or other video options.")


def _encode(
    frames: Frames, output: OutputContainer, container: Container, options: VideoOptions, host: Host
) -> None:
    pictures = _PictureTrack(output, frames, options)
    sound = _SoundTrack(output, frames, container, options) if frames.audio else None
    total, done = len(frames.images), 0
    host.check_interrupted()
    for batch in frames.images.batches(DEFAULT_BATCH):
        pictures.write(batch)
        done += len(batch)
        # Side by side with the pictures: the container holds back what is ahead of the other track.
        if sound:
            sound.write_until(done / frames.fps)
        host.progress("render", done, total, batch[-1])
        host.check_interrupted()
    pictures.finish()
    if sound:
        sound.finish()


class _PictureTrack:
    """RGB batches in, encoded pictures out, one every 1 / fps seconds."""

    def __init__(self, output: OutputContainer, frames: Frames, options: VideoOptions) -> None:
        encoder = find_encoder(options.codec)
        offered = [each.name for each in encoder.video_formats or [] if each.name.startswith("yuv4")]
        if options.pixel_format not in offered:
            raise InputError(f"{options.codec} has no {options.pixel_format}; choose {', '.join(offered)}.")
        speed = speed_options(encoder.name, options.crf, options.preset)
        stream: Any = output.add_stream(encoder.name, rate=frames.fps, options=speed)
        self.output = output
        self.stream: VideoStream = stream
        self.time_base = 1 / frames.fps
        self.count = 0
        stream.pix_fmt = options.pixel_format
        stream.width, stream.height = _whole_chroma(frames.width, frames.height, options.pixel_format)
        context = stream.codec_context
        context.time_base = self.time_base
        context.thread_type = "AUTO"
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        if options.codec == "hevc" and output.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the name Apple's players look for

    def write(self, batch: Tensor) -> None:
        height, width = self.stream.height, self.stream.width
        for picture in batch[:, :height, :width].cpu().numpy():
            frame = _to_yuv(VideoFrame.from_ndarray(np.ascontiguousarray(picture)), self.stream.pix_fmt)
            frame.pts = self.count
            frame.time_base = self.time_base
            self.count += 1
            self.output.mux(self.stream.encode(frame))

    def finish(self) -> None:
        self.output.mux(self.stream.encode(None))


def _whole_chroma(width: int, height: int, pixel_format: str) -> tuple[int, int]:
    """The sides without what a chroma sample shared by two columns or rows would half cover."""
    _, chroma = VideoFrame(2, 2, pixel_format).planes[:2]
    return width - width % (2 // chroma.width), height - height % (2 // chroma.height)


def _to_yuv(frame: VideoFrame, pixel_format: str | None) -> VideoFrame:
    # Said explicitly on both sides, so that the bytes mean what the file's tags say in every PyAV.
    return frame.reformat(
        format=pixel_format,
        src_colorspace="ITU709",
        dst_colorspace="ITU709",
        src_color_range="JPEG",
        dst_color_range="MPEG",
    )


class _SoundTrack:
    """Sound cut or filled to the pictures' duration, encoded piece by piece."""

    def __init__(
        self, output: OutputContainer, frames: Frames, container: Container, options: VideoOptions
    ) -> None:
        assert frames.audio is not None
        codec = container.audio[0] if options.audio_codec == "auto" else options.audio_codec
        encoder = find_encoder(codec)
        self.rate = _supported_rate(frames.audio.rate, encoder.audio_rates)
        duration = len(frames.images) / frames.fps
        self.samples = _fitted(_recording(frames.audio, self.rate), round(duration * self.rate))
        self.layout = _LAYOUTS[len(self.samples)]
        stream: Any = output.add_stream(encoder.name, rate=self.rate, layout=self.layout)
        stream.bit_rate = options.audio_bitrate
        self.output = output
        self.stream: AudioStream = stream
        self.resampler = av.AudioResampler(_sample_format(encoder), self.layout, self.rate)
        self.written = 0

    def write_until(self, seconds: Fraction) -> None:
        end = min(round(seconds * self.rate), self.samples.shape[1])
        piece = self.samples[:, self.written : end]
        if piece.shape[1] == 0:
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece.numpy()), "fltp", self.layout)
        frame.sample_rate = self.rate
        frame.pts = self.written
        frame.time_base = Fraction(1, self.rate)
        self.written = end
        for converted in self.resampler.resample(frame):
            self.output.mux(self.stream.encode(converted))

    def finish(self) -> None:
        self.output.mux(self.stream.encode(None))


def _supported_rate(rate: int, supported: Any) -> int:
    """The rate itself, or the next higher one, or the highest one the encoder knows."""
    if not supported or rate in supported:
        return rate
    return min((known for known in supported if known > rate), default=max(supported))


def _sample_format(encoder: av.Codec) -> str:
    names = [each.name for each in encoder.audio_formats or []]
    return next((name for name in ("fltp", "flt") if name in names), names[0])


def _recording(audio: Audio, rate: int) -> Tensor:
    if audio.samples.shape[0] in _LAYOUTS:
        return resample(audio.samples, audio.rate, rate)
    return mono(audio, rate)[None]


def _fitted(samples: Tensor, count: int) -> Tensor:
    missing = count - samples.shape[1]
    return torch.nn.functional.pad(samples, (0, missing)) if missing > 0 else samples[:, :count]


def _check_complete(path: Path, count: int) -> None:
    """Raise when the file lost its end: not every failed write is reported when the file is closed."""
    with closing(av.open(str(path))) as container:
        stream = container.streams.video[0]
        found = sum(packet.size > 0 for packet in container.demux(stream))
    if found != count:
        raise OSError(errno.ENOSPC, f"only {found} of {count} frames arrived")
