"""Which encoders and containers can be written, and what each of them wants to be told."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.codec.codec import UnknownCodecError

from ..errors import InputError

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
"""Speed of encoding against size of the file, in x264's words."""

VIDEO_CODECS = ("h264", "hevc", "vp9", "av1")
AUDIO_CODECS = ("auto", "aac", "opus")

_ENCODERS = {
    "h264": ("libx264", "libopenh264"),
    "hevc": ("libx265",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
    "aac": ("aac",),
    "opus": ("libopus",),
}


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
