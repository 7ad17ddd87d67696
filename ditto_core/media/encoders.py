"""What may be chosen of a video's encoding, which encoders and containers there are, and what each wants."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.codec.codec import UnknownCodecError

from ..errors import InputError, check_range

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""Speed of encoding against size of the file, in x264's words."""

VIDEO_CODECS = ("h264", "hevc", "vp9", "av1")
AUDIO_CODECS = ("auto", "aac", "opus")

_LARGEST_CRF = 51

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
        check_range("audio_bitrate", self.audio_bitrate, 32_000, 512_000)


@dataclass(frozen=True)
class Container:
    """A file type: FFmpeg's name and the codecs players expect in it, the preferred sound first."""

    format: str
    video: tuple[str, ...]
    audio: tuple[str, ...]


CONTAINERS = {
    ".mp4": Container("mp4", VIDEO_CODECS, ("aac", "opus")),
    ".mov": Container("mov", ("h264", "hevc"), ("aac",)),
    ".mkv": Container("matroska", VIDEO_CODECS, ("aac", "opus")),
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


def speed_options(encoder: str, crf: int, preset: str) -> dict[str, str]:
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
