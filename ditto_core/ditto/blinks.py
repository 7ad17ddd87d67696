"""When the avatar blinks: start frames, and the row of the blink table that each frame shows."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import chain, cycle, repeat
from random import Random
from typing import SupportsIndex

import torch
from torch import Tensor

from ..errors import InputError
from ..options import BlinkGaps

RANDOM_GAP = (60, 100)
"""Frames with open eyes between two random blinks, both ends included."""


def blink_starts(count: int, length: int, gaps: BlinkGaps, random: Random) -> list[int]:
    """First frames of the blinks, each of `length` frames, in a clip of `count`: the published schedule.

    gaps (`delta_eye_open_n`): frames with open eyes before each blink; one number for all, a list used over
    and over, 0 for random ones, negative for no blinks. There is no blink in the last gap of the clip.
    """
    first, last, following = _gaps(gaps, random)
    if first < 0:
        return []
    starts: list[int] = []
    frame, limit = first, count - max(last, length)
    while frame < limit:
        starts.append(frame)
        frame += length + next(following)
    return starts


def blinks_at_rate(count: int, length: int, per_minute: float, random: Random, fps: float = 25) -> list[int]:
    """Start frames of about `per_minute` blinks, irregular as people's; short clips get theirs too.

    The time from one blink to the next is drawn from half to one and a half of its mean, the first from
    within that mean. A blink that would not end before the clip is left out.
    """
    if per_minute < 0:
        raise InputError(f"The blink rate is {per_minute}; it must be 0 (none) or more a minute.")
    if per_minute == 0:
        return []
    mean = max(60 * fps / per_minute, length)
    starts: list[int] = []
    frame = random.uniform(0, mean)
    while frame + length <= count:
        starts.append(int(frame))
        frame += max(length, random.uniform(0.5, 1.5) * mean)
    return starts


def blinks_at(count: int, length: int, seconds: Sequence[float], fps: float = 25) -> list[int]:
    """Start frames of blinks at these seconds; one that would begin during another follows it."""
    starts: list[int] = []
    for second in sorted(seconds):
        frame = round(second * fps)
        starts.append(max(frame, starts[-1] + length) if starts else frame)
    return [start for start in starts if start < count]


def blink_rows(count: int, length: int, starts: Sequence[int]) -> Tensor:
    """Which row of a blink table of `length` rows each of `count` frames shows, (count,) int64.

    Row 0 is the open eye. A blink may begin before the clip or end after it.
    """
    rows = torch.zeros(count, dtype=torch.int64)
    for start in starts:
        begin, end = max(start, 0), min(start + length, count)
        if begin < end:
            rows[begin:end] = torch.arange(begin - start, end - start)
    return rows


def _gaps(gaps: BlinkGaps, random: Random) -> tuple[int, int, chain[int]]:
    """The gap before the first blink, the one after the last, and those between."""
    numbers = [_whole(gap) for gap in gaps] if isinstance(gaps, Sequence) else [_whole(gaps)]
    if not numbers:
        raise InputError("The list of blink gaps is empty; use -1 for no blinks.")
    if len(numbers) > 1 and min(numbers) < 0:
        raise InputError(f"The blink gaps are {numbers}; each must be 0 or more frames.")
    if isinstance(gaps, Sequence) or numbers[0] != 0:
        return numbers[0], numbers[-1], chain(numbers[1:], cycle(numbers))
    first, last = random.randint(*RANDOM_GAP), random.randint(*RANDOM_GAP)
    return first, last, chain(random.randint(*RANDOM_GAP) for _ in repeat(None))


def _whole(gap: SupportsIndex) -> int:
    try:
        return operator.index(gap)
    except TypeError as error:
        raise InputError(
            f"delta_eye_open_n is {gap!r}; it must be a whole number of frames or a list of them."
        ) from error
