"""The published configuration: the reference character and other data that motion depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..control_info import FrameControl, check_control, fading_parts
from ..emotion import emotion_table
from ..errors import DittoError, InputError, ModelError
from ..models.configs import read_config, read_settings
from ..models.inventory import searched
from ..options import FadeTarget
from .condition import Character, EyeAttributes
from .motion import MOTION_WIDTH, POINTS, WIDTHS, MotionInfo
from .networks.lmdm import CONDITION, FRAMES
from .windows import WindowOptions

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

    def replaced(self, options: Mapping[str, Any]) -> DittoConfig:
        """With data under their published names (`ch_info`, `delta_eye_arr`, …) in place of its own.

        Raises an `InputError` for a name there is not and a value that cannot be used.
        """
        unknown = [name for name in options if name not in _DATA]
        if unknown:
            raise InputError(f"There is no {unknown[0]!r} in a configuration; use {', '.join(_DATA)}.")
        try:
            return replace(self, **_data(options))
        except ValueError as error:
            raise InputError(f"An option is unusable: {error}") from error

    def same_data(self, other: DittoConfig) -> bool:
        """Whether both hold equal data, whatever their run options are."""
        return self is other or _equal(replace(self, options={}), replace(other, options={}))


def open_config(path: Path) -> DittoConfig:
    """The configuration in a published `*.pkl`; a `ModelError` names what cannot be used."""
    content = read_config(path)
    model, options = (_section(content, name, path) for name in ("audio2motion_cfg", "default_kwargs"))
    for name, ours in _MODEL.items():
        if model.get(name, ours) != ours:
            raise ModelError(
                f"The configuration {path} is for another model: {name} is {model[name]}, here it is {ours}."
            )

    try:
        return DittoConfig(options=options, **_data(options))
    except ValueError as error:
        raise ModelError(f"The configuration {path} is unusable: {error}") from error


def read_data(path: Path) -> dict[str, Any]:
    """The data of a configuration, or some of it, under the published names: a `.pkl` or `.json` file.

    Of a whole configuration its data only, not its run options. Raises a `DittoError` for a file that cannot
    be used.
    """
    content = read_settings(path)
    options = content.get("default_kwargs")
    return content if options is None else {name: options[name] for name in _DATA if name in options}


def data_files(folders: Iterable[Path]) -> dict[str, Path]:
    """What `read_data` may read in the model folders' `ditto_cfg`, by name."""
    places = [folder / "ditto_cfg" for folder in reversed(searched(folders))]
    return {file.name: file for place in places for kind in ("*.json", "*.pkl") for file in place.glob(kind)}


def _data(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `DittoConfig` that published options set; a `ValueError` names an unusable one."""
    values: dict[str, Any] = {}
    for name, (part, read) in _DATA.items():
        if name not in options:
            continue
        try:
            values[part] = _NOTHING.get(name) if options[name] is None else read(options[name])
        except (DittoError, LookupError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ValueError(f"{name}: {error}") from error
    return values


def _equal(one: Any, other: Any) -> bool:
    """Whether two dataclasses, mappings or values hold the same; tensors may be in them."""
    ours, theirs = _parts(one), _parts(other)
    if ours is None or theirs is None:
        return np.array_equal(one, other)
    return ours.keys() == theirs.keys() and all(_equal(value, theirs[name]) for name, value in ours.items())


def _parts(value: Any) -> Mapping[str, Any] | None:
    """What a dataclass or a mapping holds, by name; None for anything else."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    return vars(value) if is_dataclass(value) else None


def _section(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = content.get(name)
    if not isinstance(section, dict):
        raise ModelError(
            f"The configuration {path} has no {name}; it is the configuration of something else."
        )
    return cast(dict[str, Any], section)


def _character(info: Mapping[str, Any]) -> Character:
    first = info["x_s_info_lst"][0]
    motion = MotionInfo(**{name: _table(first[name], width) for name, width in WIDTHS.items()})
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


def _limits(rows: Any) -> Tensor:
    limits = _table(rows, MOTION_WIDTH)
    if len(limits) < 2:
        raise ValueError("one row; there must be one of the smallest and one of the largest values")
    return limits


def _columns(pair: Any) -> tuple[int, int]:
    start, stop = (int(column) for column in pair)
    WindowOptions(fix_kp_cond_dim=(start, stop))  # raises for columns there are not
    return start, stop


def _overall(control: Mapping[str, Any]) -> FrameControl:
    entry = dict(control)
    check_control(entry, "it")
    return entry


_DATA: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ch_info": ("character", _character),
    "v_min_max_for_clip": ("limits", _limits),
    "delta_eye_arr": ("blink_table", lambda rows: _table(rows, 3 * POINTS)),
    "emo": ("emotion", emotion_table),
    "fix_kp_cond": ("fix_kp_cond", lambda count: WindowOptions(fix_kp_cond=int(count)).fix_kp_cond),
    "fix_kp_cond_dim": ("fix_kp_cond_dim", _columns),
    "fade_type": ("fade_type", _fade_type),
    "fade_out_keys": ("fade_out_keys", lambda keys: tuple(fading_parts(keys, "it"))),
    "overall_ctrl_info": ("overall_ctrl_info", _overall),
}
"""What each published option sets, and how it is read."""

DATA_NAMES = tuple(_DATA)
"""The published names of a configuration's data."""

_NOTHING: dict[str, Any] = {"fix_kp_cond": 0, "fade_type": ""}
"""What None stands for where that is not None itself."""
