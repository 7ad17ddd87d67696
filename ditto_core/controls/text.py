"""Controls written as text: emotions, parts of motion with factors, gaps, times, JSON of single frames."""

from __future__ import annotations

import json
from typing import Any, cast

from ..control_info import ControlInfo
from ..emotion import EmotionLabel, emotion_vector
from ..errors import InputError
from .curve import Moment, split, timed


def parse_emotions(text: str) -> tuple[EmotionLabel, ...]:
    """`happy`, `happy + surprise` or numbers."""
    names = [name.strip() for name in text.split("+")]
    labels = tuple(int(name) if name.isdecimal() else name for name in names)
    emotion_vector(labels)
    return labels


def parse_emotion_schedule(text: str) -> tuple[tuple[Moment, tuple[EmotionLabel, ...]], ...]:
    """`0: neutral, 3s: happy + surprise`."""
    changes = [timed(entry) for entry in split(text)]
    if not changes:
        raise InputError("The emotion schedule is empty; write such as 0: neutral, 3s: happy + surprise.")
    return tuple((moment, parse_emotions(emotions)) for moment, emotions in changes)


def parse_parts(text: str) -> tuple[str, ...] | None:
    """`exp, pitch`: parts of motion; blank is None."""
    return tuple(split(text)) or None


def parse_gains(text: str) -> dict[str, float] | tuple[str, ...] | None:
    """`exp, pitch: 0.5`: parts of motion, with a factor where one is given; blank is None."""
    entries = split(text)
    if not any(":" in entry for entry in entries):
        return tuple(entries) or None
    gains: dict[str, float] = {}
    for entry in entries:
        part, colon, gain = entry.partition(":")
        try:
            gains[part.strip()] = float(gain) if colon else 1.0
        except ValueError as error:
            raise InputError(f"The factor in {entry!r} is no number; write such as exp: 1.2.") from error
    return gains


def parse_overall(text: str) -> dict[str, float] | None:
    """`delta_pitch: 2, delta_yaw: -3`: controls of all frames; blank is None."""
    controls = parse_gains(text)
    if isinstance(controls, tuple):
        raise InputError(f"{text!r} gives no numbers; write such as delta_pitch: 2.")
    return controls


def parse_gaps(text: str) -> tuple[int, ...]:
    """`50, 80`: whole numbers of frames."""
    try:
        return tuple(int(gap) for gap in split(text))
    except ValueError as error:
        raise InputError(f"The gaps {text!r} must be whole numbers of frames, such as 50, 80.") from error


def parse_seconds(text: str) -> tuple[float, ...]:
    """`0.5, 2, 3.2`: seconds, with or without an s behind them."""
    try:
        return tuple(float(second.removesuffix("s")) for second in split(text))
    except ValueError as error:
        raise InputError(f"The times {text!r} must be seconds, such as 0.5, 2, 3.2.") from error


def parse_frames(text: str) -> ControlInfo:
    """`ctrl_info` as JSON: `{"0": {"fade_alpha": 0}, "25": {"delta_yaw": 5}}`, or a list from frame 0 on."""
    try:
        info: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"ctrl_info is no JSON: {error}.") from error
    if not isinstance(info, (dict, list)):
        raise InputError(
            f"ctrl_info is a single {type(info).__name__}; it must be frame numbers with their controls, "
            'such as {"25": {"delta_yaw": 5}}.'
        )
    return cast(ControlInfo, info)
