"""Frame-level control as every engine reads it: `ctrl_info`, from a frame number to what changes there."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .options import ControlInfo, FrameControl

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
