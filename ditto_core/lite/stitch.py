"""Put sampled motion on an avatar: how much of it, from and to rest, and whose eyes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..control_info import ANGLES, frame_values
from ..options import StitchOptions
from .coefficients import CHANNELS, COLUMN
from .curves import smoothstep

MOUTH = ("open", "wide", "press", "tuck", "upper", "tongue", "smile")
HEAD = (*ANGLES, "tx", "ty")
EYES = ("blink_left", "blink_right")

# What the face can do, however much the user asks for.
_LIMITS = {
    "open": (0.0, 3.2),
    "wide": (-1.5, 1.5),
    "press": (0.0, 1.0),
    "tuck": (0.0, 1.0),
    "upper": (0.0, 1.0),
    "tongue": (0.0, 0.6),
    "smile": (-1.0, 1.0),
    "yaw": (-5.0, 5.0),
    "pitch": (-5.0, 5.0),
    "roll": (-5.0, 5.0),
}


def apply(values: Tensor, options: StitchOptions, drive_eye: bool, drive_head: bool = True) -> Tensor:
    """Motion ready to be rendered.

    values: float32 (N, 15) in the columns of `coefficients.CHANNELS`. The amounts scale mouth and head, the
    controls of single frames turn the head and quieten the mouth, the result stays within what the face can
    do, the fades come from and return to rest (the first and the last frame show the closed, still face).
    Without `drive_eye` the lids are left alone, without `drive_head` the head is.
    """
    amount = torch.ones(len(CHANNELS))
    for names, factor in (
        (MOUTH, options.mouth_amount),
        (HEAD, options.head_amount),
        (EYES, float(drive_eye)),
    ):
        amount[[COLUMN[name] for name in names]] = factor
    stitched = _controlled(values * amount, options)
    if not drive_head:
        stitched[:, [COLUMN[name] for name in HEAD]] = 0
    for name, (low, high) in _LIMITS.items():
        stitched[:, COLUMN[name]] = stitched[:, COLUMN[name]].clamp(low, high)
    weight = fades(len(values), options.fade_in, options.fade_out) * _of_frames(options, "fade_alpha", values)
    return stitched * weight.clamp(0, 1)[:, None]


def _controlled(values: Tensor, options: StitchOptions) -> Tensor:
    """The controls of single frames that a face of Lite can follow: degrees, factors of them, the gate."""
    for angle in ANGLES:
        turned = values[:, COLUMN[angle]] * _of_frames(options, f"alpha_{angle}", values)
        values[:, COLUMN[angle]] = turned + _of_frames(options, f"delta_{angle}", values, 0.0)
    values[:, [COLUMN[name] for name in MOUTH]] *= _of_frames(options, "vad_alpha", values).clamp(0, 1)[
        :, None
    ]
    return values


def _of_frames(options: StitchOptions, key: str, values: Tensor, default: float = 1.0) -> Tensor:
    return frame_values(options.ctrl_info, options.overall_ctrl_info, key, len(values), default)


def fades(count: int, fade_in: int, fade_out: int) -> Tensor:
    """How much each of `count` frames moves, 0 at rest .. 1; smoothstep over the frames of each fade."""
    frame = torch.arange(count, dtype=torch.float32)
    weight = torch.ones(count)
    for length, position in ((fade_in, frame), (fade_out, count - 1 - frame)):
        if length > 0:
            weight = weight * smoothstep(position / length)
    return weight
