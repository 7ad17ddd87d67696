"""The published configuration: the reference character and other data that motion depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ..data import FadeTarget, FrameControl
from ..errors import DittoError, ModelError
from ..models.configs import read_config
from .condition import Character, EyeAttributes
from .emotion import emotion_table
from .motion import MOTION_WIDTH, POINTS, MotionInfo
from .networks.lmdm import CONDITION, FRAMES

_Value = TypeVar("_Value")

_MODEL = {
    "w2f_type": "hubert",
    "motion_feat_dim": MOTION_WIDTH,
    "audio_feat_dim": CONDITION,
    "seq_frames": FRAMES,
    **dict.fromkeys(("use_emo", "use_eye_open", "use_eye_ball", "use_sc"), True),
}
"""What the published diffusion model is; there is no other."""


@dataclass(frozen=True)
class DittoConfig:
    """A configuration's data; the defaults are those of the published program without one.

    character: the reference face that motion is drawn for. limits (4, 265): motion is kept between its first
    two rows. blink_table (n, 63): how the eyes move in a blink. emotion (m, 8). fix_kp_cond,
    fix_kp_cond_dim: see `WindowOptions`. options: all run options as published, for programs that let them
    override defaults.
    """

    character: Character | None = None
    limits: Tensor | None = None
    blink_table: Tensor | None = None
    emotion: Tensor | None = None
    fix_kp_cond: int = 0
    fix_kp_cond_dim: tuple[int, int] | None = None
    fade_type: FadeTarget = ""
    fade_out_keys: Sequence[str] | None = ("exp",)
    overall_ctrl_info: FrameControl | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


def open_config(path: Path) -> DittoConfig:
    """The configuration in a published `*.pkl`; a `ModelError` names what cannot be used."""
    content = read_config(path)
    model, options = (_section(content, name, path) for name in ("audio2motion_cfg", "default_kwargs"))
    for name, ours in _MODEL.items():
        if model.get(name, ours) != ours:
            raise ModelError(
                f"The configuration {path} is for another model: {name} is {model[name]}, here it is {ours}."
            )

    def value(name: str, read: Callable[[Any], _Value]) -> _Value | None:
        if options.get(name) is None:
            return None
        try:
            return read(options[name])
        except (DittoError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"The configuration {path} has an unusable {name}: {error}") from error

    return DittoConfig(
        character=value("ch_info", _character),
        limits=value("v_min_max_for_clip", lambda rows: _table(rows, MOTION_WIDTH)),
        blink_table=value("delta_eye_arr", lambda rows: _table(rows, 3 * POINTS)),
        emotion=value("emo", emotion_table),
        fix_kp_cond=value("fix_kp_cond", int) or 0,
        fix_kp_cond_dim=value("fix_kp_cond_dim", lambda pair: (int(pair[0]), int(pair[1]))),
        fade_type=value("fade_type", _fade_type) or "",
        fade_out_keys=value("fade_out_keys", tuple[str, ...]),
        overall_ctrl_info=value("overall_ctrl_info", dict[str, Any]),
        options=options,
    )


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = content.get(name)
    if not isinstance(section, dict):
        raise ModelError(
            f"The configuration {path} has no {name}; it is the configuration of something else."
        )
    return cast(dict[str, Any], section)


def _character(info: Mapping[str, Any]) -> Character:
    first = info["x_s_info_lst"][0]
    motion = MotionInfo(**{part.name: _table(first[part.name]) for part in fields(MotionInfo)})
    eyes = EyeAttributes(
        torch.cat([_table(row, 2) for row in info["eye_open_lst"]]),
        torch.cat([_table(row, 6) for row in info["eye_ball_lst"]]),
    )
    return Character(_table(info["sc"], 3 * POINTS)[0], eyes, motion)


def _table(rows: Any, width: int | None = None) -> Tensor:
    """Numbers as float32 (rows, width); one row may come without its first dimension."""
    values = torch.as_tensor(rows, dtype=torch.float32)
    table = values if values.ndim == 2 else values.reshape(1, -1)
    if width is not None and table.shape[1] != width:
        raise ValueError(f"{table.shape[1]} numbers instead of {width}")
    if not bool(torch.isfinite(table).all()):
        raise ValueError("values that are no numbers")
    return table


def _fade_type(name: str) -> FadeTarget:
    if name not in ("", "d0", "s"):
        raise ValueError(f"{name!r} is none of '', 'd0', 's'")
    return name
