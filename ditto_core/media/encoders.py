"""What may be chosen of a video's encoding, which encoders and containers there are, and what each wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import av
from av.codec.codec import UnknownCodecError

from ..errors import InputError
from ..limits import Limits, check_fields

VideoCodec = Literal["h264", "hevc", "vp9", "av1"]
AudioCodec = Literal["auto", "aac", "opus"]
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
"""Speed of encoding against size of the file, in x264's words."""

PRESETS: tuple[Preset, ...] = get_args(Preset)
VIDEO_CODECS: tuple[VideoCodec, ...] = get_args(VideoCodec)

_ENCODERS = {
    "h264": ("libx264", "libopenh264"),
    "hevc": ("libx265",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
    "aac": ("aac",),
    "opus": ("libopus",),
}


@dataclass(frozen=True)
class VideoOptions:
    """How a video is encoded.

    crf: constant quality, 0 is the best. preset: speed against size, x264's names. pixel_format: a yuv
    format of the encoder, such as yuv420p (plays everywhere), yuv444p or yuv420p10le. audio_codec: auto is
    what suits the file type. audio_bitrate: bits per second.
    """

    codec: VideoCodec = "h264"
    crf: Annotated[int, Limits(0, 51)] = 18
    preset: Preset = "veryfast"
    pixel_format: str = "yuv420p"
    audio_codec: AudioCodec = "auto"
    audio_bitrate: Annotated[int, Limits(32_000, 512_000)] = 192_000

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Container:
    """A file type: FFmpeg's name and the codecs players expect in it, the preferred sound first."""

    format: str
    video: tuple[str, ...]
    audio: tuple[str, ...]


CONTAINERS = {
    ".mp4": Container("mp4", VIDEO_CODECS, ("aac", "opus")),
    ".mov": Container("mov", ("h264", "hevc"), ("aac",)),
    ".mkv": Container("matroska", VIDEO_CODECS, ("opus", "aac")),  # it says of Opus alone where it ends
    ".webm": Container("webm", ("vp9", "av1"), ("opus",)),
}


def find_encoder(codec: str) -> av.Codec:
    """The best encoder for `codec` that this PyAV was built with; `InputError` when it has none."""
    for name in _ENCODERS[codec]:
        try:
            return av.Codec(name, "w")
        except UnknownCodecError:
            continue
    raise InputError(f"This PyAV cannot encode {codec}; choose another codec or install PyAV from PyPI.")


def check_pixel_format(options: VideoOptions) -> None:
    """Raise `InputError` when the encoder lacks the pixel format."""
    formats = find_encoder(options.codec).video_formats or []
    offered = [each.name for each in formats if each.name.startswith("yuv4")]
    if options.pixel_format not in offered:
        raise InputError(f"{options.codec} has no {options.pixel_format}; choose {', '.join(offered)}.")


def speed_options(encoder: str, crf: int, preset: Preset) -> dict[str, str]:
    """The encoder's own options for a constant quality and a speed."""
    speed = len(PRESETS) - 1 - PRESETS.index(preset)
    if encoder in ("libx264", "libx265"):
        quiet = {"x265-params": "log-level=error"} if encoder == "libx265" else {}
        return {"crf": str(crf), "preset": preset, **quiet}
    if encoder == "libsvtav1":
        return {"crf": str(crf), "preset": str(speed + 4)}
    if encoder in ("libvpx-vp9", "libaom-av1"):
        return {"crf": str(crf), "b": "0", "cpu-used": str(min(speed, 5)), "row-mt": "1"}
    return {}
