"""What other nodes hand us, in the pack's own terms: IMAGE and VIDEO as a `Source`, AUDIO as `Audio`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from fractions import Fraction
from typing import Any, TypeVar, get_args

import av
import torch
from comfy_api.latest import InputImpl

from ..ditto_core.controls.control import Controls
from ..ditto_core.data import Audio, Frames, Source
from ..ditto_core.errors import InputError
from ..ditto_core.media.decoding import open_video
from ..ditto_core.media.retime import retimed
from ..ditto_core.media.sound import as_audio
from ..ditto_core.media.source import as_source, open_source

Value = TypeVar("Value")
NO_CONTROLS = Controls()

AS_CONFIGURED = "as configured"
"""The choice that leaves an option to the checkpoint's configuration."""


def source_from(images_or_video: Any, fps: Fraction) -> Source:
    """One image is a picture, several are a video at `fps`; a VIDEO is resampled to `fps`."""
    if isinstance(images_or_video, torch.Tensor):
        return as_source(filled(images_or_video), fps)
    path = _whole_file(images_or_video)
    if path is not None:
        return open_source(path, fps)
    components = images_or_video.get_components()
    return retimed(as_source(components.images, Fraction(components.frame_rate)), fps)


def filled(images: torch.Tensor) -> torch.Tensor:
    """An IMAGE that holds at least one picture."""
    if len(images) == 0:
        raise InputError("This IMAGE batch is empty; connect one with at least one picture.")
    return images


def frames_from(frames: Frames | torch.Tensor) -> Frames:
    """Frames to be rendered; the output of Ditto SuperRes can be either."""
    if isinstance(frames, torch.Tensor):
        raise InputError("This is an IMAGE already; connect it to Create Video or Preview Image.")
    return frames


def audio_from(audio: Mapping[str, Any] | None) -> Audio:
    """The one recording in a ComfyUI AUDIO."""
    if audio is None:
        raise InputError(
            "There is no audio: the video this comes from is silent. Connect a recording of speech."
        )
    waveform = audio["waveform"]
    if waveform.shape[0] != 1:
        raise InputError(
            f"This AUDIO holds {waveform.shape[0]} recordings; connect one with a single recording."
        )
    return as_audio(waveform[0].cpu(), int(audio["sample_rate"]))


def named(choices: Any) -> dict[str, Any]:
    """The choices of a `Literal`, each of which stands for itself."""
    return {name: name for name in get_args(choices)}


def chosen(name: str, value: str, choices: Mapping[str, Value]) -> Value:
    """What `value` stands for. ComfyUI passes on values that are not in a list of choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")
    return choices[value]


def _whole_file(video: Any) -> str | None:
    """The file behind a VIDEO when the VIDEO is all of it; such a video can be read lazily.

    Newer ComfyUI releases trim and crop a video without touching its file.
    """
    if not isinstance(video, InputImpl.VideoFromFile):
        return None
    file = video.get_stream_source()
    if not isinstance(file, str):
        return None
    container, stream = open_video(file)
    with closing(container):
        size, seconds = (stream.width, stream.height), (container.duration or 0) / av.time_base
    whole = tuple(video.get_dimensions()) == size and abs(video.get_duration() - seconds) < 1e-3
    return file if whole else None
