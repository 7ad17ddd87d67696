"""Frame-level control: fades, head pose, speech gate and expression, from `ctrl_info` to one row a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..control_info import (
    ANGLES,
    MOTION_PARTS,
    ControlInfo,
    FrameControl,
    check_keys,
    expression_offset,
    fading_parts,
    finite_number,
    frame_entries,
)
from .motion import WIDTHS


@dataclass(frozen=True)
class ControlRows:
    """What is changed in each of N frames; `ControlRows.none` changes nothing.

    fade (N,): 1 the driven motion .. 0 what it fades to; fade_keys (N, 6): of `MOTION_PARTS`, which fade.
    vad (N,): 1 the driven expression .. 0 the source's. offset (N, 3): degrees added to pitch, yaw, roll;
    turned (N, 3): where some were given, 0 included; amplitude (N, 3): factors of the angles. exp (N, 63):
    added to the expression.
    """

    fade: Tensor
    fade_keys: Tensor
    vad: Tensor
    offset: Tensor
    turned: Tensor
    amplitude: Tensor
    exp: Tensor

    @classmethod
    def none(cls, count: int) -> ControlRows:
        """No change of `count` frames."""
        return cls(
            fade=torch.ones(count),
            fade_keys=torch.zeros(count, len(MOTION_PARTS), dtype=torch.bool),
            vad=torch.ones(count),
            offset=torch.zeros(count, 3),
            turned=torch.zeros(count, 3, dtype=torch.bool),
            amplitude=torch.ones(count, 3),
            exp=torch.zeros(count, WIDTHS["exp"]),
        )

    def __len__(self) -> int:
        return len(self.fade)

    def take(self, rows: Tensor | slice) -> ControlRows:
        """The controls of some of the frames."""
        return ControlRows(**{part.name: getattr(self, part.name)[rows] for part in fields(self)})


def fade_alphas(count: int, fade_in: int, fade_out: int) -> Tensor:
    """The fade of each frame (count,), 1 where there is none.

    Frames 0 .. fade_in - 1 rise from 0; the last fade_out + 1 fall from 1 to 0, also over a fade-in. A length
    of 0 or less means no fade.
    """
    frame = torch.arange(count, dtype=torch.float64)
    alpha = torch.ones(count, dtype=torch.float64)
    if fade_in > 0:
        alpha = torch.where(frame < fade_in, frame / fade_in, alpha)
    if fade_out > 0:
        last = count - 1
        alpha = torch.where(frame >= last - fade_out, (last - frame).clamp(min=0) / fade_out, alpha)
    return alpha.float()


def read_controls(
    info: ControlInfo,
    count: int,
    *,
    overall: FrameControl | None = None,
    fade_out_keys: Sequence[str] | None = ("exp",),
    fade_in: int = -1,
    fade_out: int = -1,
) -> ControlRows:
    """`ctrl_info` as one row for each of `count` frames.

    info: frame number -> control, or a list of controls from frame 0 on; entries beyond the clip are
    ignored. overall: what holds for every frame that does not say otherwise. fade_out_keys: the parts that
    fade unless a frame names its own, None for all. fade_in, fade_out: as in `fade_alphas`; their frames
    override a control's fade.
    """
    others = ControlRows.none(1)
    check_keys(overall or {}, "overall_ctrl_info")
    others.fade_keys[0] = _key_row(fade_out_keys, "fade_out_keys")
    _write(others, 0, overall or {}, "overall_ctrl_info")
    controls = others.take(torch.zeros(count, dtype=torch.int64))
    for frame, entry in frame_entries(info):
        if 0 <= frame < count:
            _write(controls, frame, entry, f"ctrl_info of frame {frame}")
    fades = fade_alphas(count, fade_in, fade_out)
    replaced = torch.zeros(count, dtype=torch.bool)
    replaced[: max(fade_in, 0)] = True
    replaced[max(count - fade_out - 1, 0) :] |= fade_out > 0
    controls.fade[replaced] = fades[replaced]
    return controls


def _write(controls: ControlRows, frame: int, entry: FrameControl, where: str) -> None:
    """Put one frame's control in its row."""
    if "fade_alpha" in entry:
        controls.fade[frame] = finite_number(entry["fade_alpha"], f"fade_alpha in {where}")
    if "fade_out_keys" in entry:
        controls.fade_keys[frame] = _key_row(entry["fade_out_keys"], f"fade_out_keys in {where}")
    if "vad_alpha" in entry:
        # The published rule does nothing from 1 on.
        controls.vad[frame] = min(finite_number(entry["vad_alpha"], f"vad_alpha in {where}"), 1.0)
    for column, angle in enumerate(ANGLES):
        if f"delta_{angle}" in entry:
            controls.offset[frame, column] = finite_number(
                entry[f"delta_{angle}"], f"delta_{angle} in {where}"
            )
            controls.turned[frame, column] = True
        if f"alpha_{angle}" in entry:
            controls.amplitude[frame, column] = finite_number(
                entry[f"alpha_{angle}"], f"alpha_{angle} in {where}"
            )
    if "delta_exp" in entry:
        controls.exp[frame] = expression_offset(entry["delta_exp"], f"delta_exp in {where}")


def _key_row(keys: Any, where: str) -> Tensor:
    """Which parts of motion `keys` names, (6,) bool."""
    fading = fading_parts(keys, where)
    return torch.tensor([key in fading for key in MOTION_PARTS])
