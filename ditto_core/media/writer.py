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
    container_for(path, options)
    total = len(frames.images)
    if total == 0:
        raise InputError("There are no frames to write.")
    sound = frames.audio and _as_laid_out(frames.audio)
    form = sound and (sound.rate, len(sound.samples))
    with video_file(path, frames.height, frames.width, frames.fps, options, form) as file:
        if sound:
            file.add_sound(sound.samples)
            file.end_sound()
        host.check_interrupted()
        for batch in frames.images.batches(DEFAULT_BATCH):
            file.write(batch)
            host.progress("render", file.frames, total, batch[-1])
            host.check_interrupted()
    return path


@contextmanager
def video_file(
    path: Path, height: int, width: int, fps: Fraction, options: VideoOptions, sound: tuple[int, int] | None
) -> Generator[VideoFile]:
    """A file that frames and sound are written to as they come. It appears under its name when the block
    ends, and is thrown away when that fails.

    sound: its samples a second and its channels, 1, 2, 6 or 8, if there is any. What else holds of the file
    is said at `write_video`.
    """
    container = container_for(path, options)
    with _published(path) as unfinished, _explained(path):
        output = av.open(str(unfinished), "w", format=container.format, options=_muxer_options(container))
        try:
            pictures = _PictureTrack(output, height, width, fps, options)
            file = VideoFile(pictures, _SoundTrack(output, *sound, container, options) if sound else None)
            yield file
            file.finish()
        except BaseException:
            # Closing completes the file and may fail as well; it is thrown away, so the first error counts.
            with suppress(FFmpegError, OSError, ValueError):
                output.close()
            raise
        output.close()
        _check_complete(unfinished, file.frames)


class VideoFile:
    """Pictures and the sound that goes with them, on their way into a file."""

    def __init__(self, pictures: _PictureTrack, sound: _SoundTrack | None) -> None:
        self._pictures = pictures
        self._sound = sound

    @property
    def frames(self) -> int:
        """How many pictures were written."""
        return self._pictures.count

    def add_sound(self, samples: Tensor) -> None:
        """Take the sound (channels, T) that follows; all at once where its rate is one the codec lacks."""
        if self._sound:
            self._sound.add(samples)

    def end_sound(self) -> None:
        """No more sound comes; silence follows."""
        if self._sound:
            self._sound.ended = True

    def write(self, batch: Tensor) -> None:
        """Encode pictures, RGB uint8 (n, H, W, 3), and the sound up to their end."""
        self._pictures.write(batch)
        # Side by side: the container holds back what is ahead of the other track.
        if self._sound:
            self._sound.write_until(self.frames * self._pictures.time_base)

    def finish(self) -> None:
        self.end_sound()
        self._pictures.finish()
        if self._sound:
            self._sound.finish(self.frames * self._pictures.time_base)


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
    if container.format not in ("mp4", "mov"):
        return {}
    # The index first, so that players can start early, and its durations not rounded to milliseconds.
    return {"movflags": "+faststart", "movie_timescale": "48000"}


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


class _PictureTrack:
    """RGB batches in, encoded pictures out, one every 1 / fps seconds."""

    def __init__(
        self, output: OutputContainer, height: int, width: int, fps: Fraction, options: VideoOptions
    ) -> None:
        encoder = find_encoder(options.codec)
        offered = [each.name for each in encoder.video_formats or [] if each.name.startswith("yuv4")]
        if options.pixel_format not in offered:
            raise InputError(f"{options.codec} has no {options.pixel_format}; choose {', '.join(offered)}.")
        speed = speed_options(encoder.name, options.crf, options.preset)
        stream: Any = output.add_stream(encoder.name, rate=fps, options=speed)
        self.output = output
        self.stream: VideoStream = stream
        self.time_base = 1 / fps
        self.count = 0
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
        stream.bit_rate = options.audio_bitrate
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
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece.numpy()), "fltp", self.layout)
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


def _as_laid_out(audio: Audio) -> Audio:
    """The same with a number of channels that files know."""
    return audio if len(audio.samples) in _LAYOUTS else Audio(mono(audio, audio.rate)[None], audio.rate)


def _check_complete(path: Path, count: int) -> None:
    """Raise when the file lost its end: not every failed write is reported when the file is closed."""
    with closing(av.open(str(path))) as container:
        stream = container.streams.video[0]
        found = sum(packet.size > 0 for packet in container.demux(stream))
    if found != count:
        raise OSError(errno.ENOSPC, f"only {found} of {count} frames arrived")
