"""Values over time as a user writes them: one number, or keyframes at frames or seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..limits import check_fields

Between = Literal["smooth", "linear", "hold"]
"""How a value gets from one keyframe to the next: eased, straight, or with a jump at the next one."""

LATEST = 1_000_000
"""Of a moment, in frames or seconds."""


@dataclass(frozen=True)
class Clip:
    """What the controls are for: so many output frames at this rate."""

    frames: int
    fps: Fraction

    def at_rate(self, fps: Fraction) -> Clip:
        """The same time in frames of another rate."""
        return Clip(math.ceil(self.frames / self.fps * fps), fps)


@dataclass(frozen=True)
class Moment:
    """A time in the clip, in output frames from 0 or in seconds."""

    value: float
    in_seconds: bool = False

    @classmethod
    def parse(cls, text: str) -> Moment:
        """`50` is frame 50, `2s` two seconds."""
        seconds = text.strip().lower().endswith("s")
        moment = _number(text.strip()[:-1] if seconds else text, "time", "50 (a frame) or 2s (seconds)")
        if moment < 0:
            raise InputError(f"The time {text.strip()!r} lies before the clip; times count from 0.")
        if moment > LATEST:
            raise InputError(f"The time {text.strip()!r} lies after any clip; {LATEST:,} is the latest.")
        return cls(moment, seconds)

    def seconds(self, fps: Fraction) -> float:
        """Seconds from the clip's start; `fps` is the rate of the output frames."""
        return self.value if self.in_seconds else self.value / float(fps)


@dataclass(frozen=True)
class Curve:
    """Keyframes (moment, value), at least one. Before the first and after the last the curve stays level; of
    two at one time the curve arrives at the former and jumps to the latter."""

    keys: tuple[tuple[Moment, float], ...]
    between: Between = "smooth"

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def parse(cls, text: str, between: Between = "smooth") -> Curve | None:
        """`5` is the same throughout; `0: 0, 1.5s: 8, 60: -3` are keyframes; blank is no curve.

        Values may stand in brackets, as in `0:(1.0)`. Raises an `InputError` that quotes what is wrong.
        """
        if not text.strip():
            return None
        if ":" not in text:
            return cls(((Moment(0), _value(text)),), between)
        return cls(tuple(_key(entry) for entry in split(text)), between)

    def values(self, clip: Clip) -> Tensor:
        """The value in every frame of the clip, float32 (frames,)."""
        seconds, values = self._sorted(clip.fps)
        time = np.arange(clip.frames) / float(clip.fps)
        after = np.clip(np.searchsorted(seconds, time + 1e-9, side="right"), 0, len(seconds))
        right, left = np.minimum(after, len(seconds) - 1), np.maximum(after - 1, 0)
        length = np.maximum(seconds[right] - seconds[left], 1e-9)
        share = self._share(np.clip((time - seconds[left]) / length, 0, 1))
        return torch.from_numpy(values[left] + share * (values[right] - values[left])).float()

    def _sorted(self, fps: Fraction) -> tuple[np.ndarray, np.ndarray]:
        seconds = np.array([moment.seconds(fps) for moment, _ in self.keys])
        order = np.argsort(seconds, kind="stable")  # a jump keeps its direction
        return seconds[order], np.array([value for _, value in self.keys])[order]

    def _share(self, share: np.ndarray) -> np.ndarray:
        if self.between == "hold":
            return np.zeros_like(share)
        return share if self.between == "linear" else share * share * (3 - 2 * share)


def split(text: str) -> list[str]:
    """The entries of a list written with commas, semicolons or line breaks."""
    entries = text.replace(";", ",").replace("\n", ",").split(",")
    return [entry.strip() for entry in entries if entry.strip()]


def timed(entry: str) -> tuple[Moment, str]:
    """`time: what` apart."""
    time, colon, rest = entry.partition(":")
    if not colon or not rest.strip():
        raise InputError(f"{entry!r} has no value; write time: value, such as 0: 0, 2s: 5.")
    return Moment.parse(time), rest.strip()


def _key(entry: str) -> tuple[Moment, float]:
    moment, value = timed(entry)
    return moment, _value(value)


def _value(text: str) -> float:
    return _number(text.strip().removeprefix("(").removesuffix(")"), "value", "5 or 0: 0, 2s: 5")


def _number(text: str, what: str, example: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InputError(f"{text.strip()!r} is no {what}; write {example}.") from error
    if not math.isfinite(number):
        raise InputError(f"The {what} {text.strip()!r} is not finite; write {example}.")
    return number
