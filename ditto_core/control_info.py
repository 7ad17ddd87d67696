"""Frame-level control as every engine reads it: `ctrl_info`, from a frame number to what changes there."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from .errors import InputError

FrameControl: TypeAlias = Mapping[str, Any]
ControlInfo: TypeAlias = Mapping[int, FrameControl] | Mapping[str, FrameControl] | Sequence[FrameControl]

ANGLES = ("pitch", "yaw", "roll")

PER_FRAME = (
    "fade_alpha",
    "fade_out_keys",
    "vad_alpha",
    *(f"delta_{angle}" for angle in ANGLES),
    *(f"alpha_{angle}" for angle in ANGLES),
    "delta_exp",
)
"""What can be changed in a frame; shapes and units are those of `ditto.controls.ControlRows`."""

MOTION_PARTS = ("scale", "pitch", "yaw", "roll", "t", "exp")
EXPRESSION = 63
"""Numbers in `delta_exp`."""

_LARGEST = torch.finfo(torch.float32).max


def frame_entries(info: ControlInfo) -> Iterator[tuple[int, FrameControl]]:
    """(frame number, control) of everything in `info`, checked for keys that do not exist."""
    for frame, entry in _numbered(info):
        check_keys(entry, f"ctrl_info of frame {frame}")
        yield frame, entry


def check_keys(entry: FrameControl, where: str) -> None:
    """Raise an `InputError` when a control is no mapping or changes something there is not."""
    if not isinstance(entry, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  it may be JSON
        raise InputError(f"{where} is {entry!r}; it must say what changes, such as {{'delta_yaw': 5}}.")
    for key in entry:
        if key not in PER_FRAME:
            raise InputError(f"{where} sets {key!r}, which there is not; use {', '.join(PER_FRAME)}.")


def check_info(info: ControlInfo) -> None:
    """Raise an `InputError` for the first control in `info` that no engine could follow."""
    for frame, entry in _numbered(info):
        check_control(entry, f"ctrl_info of frame {frame}")


def check_control(entry: FrameControl, where: str) -> None:
    """Raise an `InputError` when a control changes something there is not, or to what cannot be."""
    check_keys(entry, where)
    for key, value in entry.items():
        told = f"{key} in {where}"
        if key == "fade_out_keys":
            fading_parts(value, told)
        elif key == "delta_exp":
            expression_offset(value, told)
        else:
            finite_number(value, told)


def frame_values(
    info: ControlInfo, overall: FrameControl | None, key: str, count: int, default: float
) -> Tensor:
    """One key's number in each of `count` frames, (count,) float32.

    A frame without the key takes it from `overall`, otherwise `default`; frames beyond the clip are ignored.
    """
    check_keys(overall or {}, "overall_ctrl_info")
    others = (overall or {}).get(key, default)
    values = torch.full((count,), finite_number(others, f"{key} in overall_ctrl_info"))
    for frame, entry in frame_entries(info):
        if key in entry and 0 <= frame < count:
            values[frame] = finite_number(entry[key], f"{key} in ctrl_info of frame {frame}")
    return values


def finite_number(value: Any, where: str) -> float:
    """`value` as a number that float32 holds, or an `InputError` that says where it stands."""
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} is {value!r}; it must be a number.") from error
    if not abs(number) <= _LARGEST:
        raise InputError(f"{where} is {number:g}; it must be a finite number of at most {_LARGEST:.1e}.")
    return number


def fading_parts(keys: Any, where: str) -> Sequence[str]:
    """The parts of motion that fade: those `keys` names, all for None. `kp` is known but never fades."""
    if keys is None:
        return MOTION_PARTS
    listed = isinstance(keys, Collection) and not isinstance(keys, str)
    if not listed or any(key not in (*MOTION_PARTS, "kp") for key in cast("Collection[Any]", keys)):
        raise InputError(f"{where} is {keys!r}; it must be a list of {', '.join(MOTION_PARTS)}.")
    return tuple(cast("Collection[str]", keys))


def expression_offset(value: Any, where: str) -> Tensor:
    """`delta_exp` (63,), of lists of any shape that hold so many numbers."""
    try:
        offset = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"{where} cannot be read as numbers: {error}") from error
    if len(offset) != EXPRESSION:
        raise InputError(f"{where} holds {len(offset)} numbers; it must be {EXPRESSION}.")
    if not bool(torch.isfinite(offset).all()):
        raise InputError(f"{where} holds values that are no finite numbers.")
    return offset


def _numbered(info: ControlInfo) -> Iterator[tuple[int, FrameControl]]:
    if isinstance(info, Sequence):
        yield from enumerate(info)
        return
    if not isinstance(info, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  it may be JSON
        raise InputError(
            f"ctrl_info is {info!r}; it must say what changes, such as {{25: {{'delta_yaw': 5}}}}."
        )
    for key, entry in info.items():
        try:
            # JSON has no whole numbers as keys, only text.
            yield int(key) if isinstance(key, str) else operator.index(key), entry
        except (TypeError, ValueError) as error:
            raise InputError(f"ctrl_info names a frame {key!r}; use frame numbers from 0.") from error
