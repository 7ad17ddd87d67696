"""Draw the motion of a speaking face: the mouth from visemes, head and eyes from seeded chance.

Curves are made at the 100 rows a second of `visemes` and then read at the centre of every video frame.
Time constants are standard deviations of Gaussians in rows (10 ms). The mouth's numbers are chosen for how
well lips agree with known sounds, how far a head wanders and how long a blink takes by eye.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from .coefficients import CHANNELS, COLUMN
from .curves import largest_near, quantile_near, read, smallest_near, smooth, smoothstep, spline
from .visemes import ROWS_PER_SECOND, VISEMES

# Mean shapes of the visemes, after class means measured on filmed talking heads; 0 where not named.
OPEN = {
    "FF": 0.18, "TH": 0.32, "DD": 0.40, "SS": 0.55, "CH": 0.70, "KK": 0.78, "LL": 0.34, "RR": 0.28,
    "AA": 1.80, "AE": 1.10, "EH": 1.02, "IY": 0.80, "OH": 0.60, "UW": 0.15, "AX": 0.55,
}  # fmt: skip
"""Gap between the inner lips, cm."""
WIDE = {
    "PP": -0.30, "FF": -0.20, "TH": -0.10, "DD": 0.08, "SS": 0.15, "CH": -0.45, "LL": -0.25, "RR": -0.65,
    "AA": 0.05, "AE": 0.35, "EH": 0.35, "IY": 0.35, "OH": -0.85, "UW": -1.00, "AX": -0.20,
}  # fmt: skip
"""Mouth width, -1 rounded .. +1 stretched."""
UPPER = {"SS": 0.5, "CH": 0.6, "AE": 0.3, "EH": 0.3, "IY": 0.4}
"""Upper lip raised, 0..1."""
TONGUE = {"TH": 0.35, "DD": 0.25, "SS": 0.15, "LL": 0.35, "RR": 0.10}
"""Tongue lift, cm."""

STRENGTH = 1.3
"""How much more than the tables the mouth opens: smoothing takes that much away."""

SPREAD = 1.45
"""How much more it is rounded and stretched."""

DRAWN_IN = 0.15
"""How much narrower the mouth gets for every cm it opens: a falling jaw draws its corners in."""

PARTED = 0.43
"""Least gap in cm while speaking, closures apart: rounded lips part a little too."""

PAUSED = 0.22
"""Gap in cm while nothing is said for a moment."""

LARGEST_ANGLE = 3.0
"""Degrees the head turns at most; beyond it the warped background shows."""


def sample(
    rows: Tensor,
    frame_count: int,
    fps: Fraction,
    seed: int,
    blinks: bool,
    blinks_per_minute: float | None = None,
    blink_times: Sequence[float] | None = None,
) -> Tensor:
    """Motion of face and head for every frame.

    rows: float32 (M, 18) at 100 Hz from `VisemeEncoder.encode`. Returns float32 (frame_count, 15) in the
    columns of `coefficients.CHANNELS`; frame i is the face at (i + 0.5) / fps seconds. The mouth follows
    speech alone; head, brows and blinks also depend on `seed`, always in the same way.
    blinks_per_minute: None for about 19. blink_times: seconds at which blinks begin, instead.
    Raises an `InputError` when there are no rows or no frames.
    """
    if len(rows) == 0 or frame_count < 1:
        raise InputError(f"There is nothing to move: {len(rows)} rows of speech, {frame_count} frames.")
    times = (torch.arange(frame_count, dtype=torch.float64) + 0.5) / float(fps)
    motion = torch.zeros(frame_count, len(CHANNELS))
    gate = _gate(rows)
    activity = _activity(rows, gate)
    for curves in (_mouth(rows, gate), _liveliness(rows, activity)):
        for name, curve in curves.items():
            motion[:, COLUMN[name]] = read(curve, times * ROWS_PER_SECOND)
    for name, curve in _head(activity, times, seed).items():
        motion[:, COLUMN[name]] += curve
    if blinks:
        pace = 1.0 if blinks_per_minute is None else blinks_per_minute / USUAL_RATE
        drawn = _blink_starts(float(times[-1]), _generator(seed, "blink"), pace)
        lids = _blinks(times, drawn if blink_times is None else blink_times).float()
        motion[:, COLUMN["blink_left"]] = motion[:, COLUMN["blink_right"]] = lids
    return motion


# --------------------------------------------------------------------------------------------- mouth


def _mouth(rows: Tensor, gate: Tensor) -> dict[str, Tensor]:
    """The mouth's curves (M,) from visemes (M, 18).

    Loudness only opens and shuts the gate (M,): scaling the opening by it agrees less with real mouths.
    """
    silent = _column(rows, "sil")
    closed = (1.2 * smooth(_column(rows, "PP"), 2)).clamp(max=1) * gate
    tucked = (1.4 * smooth(_column(rows, "FF"), 2.2)).clamp(max=1) * gate

    # Short pauses keep the lips apart, however silent they are; long ones let them close.
    spoken = (1 - silent) * gate
    near = (4 * smooth(spoken, 12)).clamp(max=1) * (1.6 * smooth(spoken, 30)).clamp(max=1)
    gap = smooth(_mixed(rows, OPEN), 4)  # which takes the peaks, so some of them are given back:
    gap = (gap + 0.7 * (gap - smooth(gap, 15))) * STRENGTH * gate
    gap = gap.maximum(PARTED * smooth(spoken, 4)).maximum(PAUSED * near)
    gap = gap * (1 - 0.98 * closed) * (1 - 0.45 * tucked) + 0.22 * tucked * (1 - closed)
    return {
        "open": gap,
        "wide": smooth(_mixed(rows, WIDE), 6) * gate * SPREAD * (1 - 0.5 * closed) - DRAWN_IN * gap,
        "press": closed,
        "tuck": tucked,
        "upper": smooth(_mixed(rows, UPPER), 5) * gate,
        "tongue": smooth(_mixed(rows, TONGUE), 3) * gate,
    }


_AROUND = 30


def _gate(rows: Tensor) -> Tensor:
    """1 where there is sound, 0 where there is none.

    Sound is what is less than 34 dB under the loud rows of the clip, or in a quiet passage of the 3 s around
    it if it stands out from steady noise, and not under -64 dB. The silence in a p, t or k (up to 80 ms)
    is bridged: lips and tongue make it. A click of less than 90 ms is no speech.
    """
    level = rows[:, len(VISEMES)]
    passage = (quantile_near(level, 0.8, 150) - 34).maximum(quantile_near(level, 0.1, 150) + 6)
    floor = passage.minimum(level.quantile(0.8) - 34).clamp(min=-64)
    heard = F.pad((level > floor).to(level.dtype), (_AROUND, _AROUND))  # silence before and after the clip
    heard = smallest_near(largest_near(heard, 4), 4)
    heard = largest_near(smallest_near(heard, 4), 4)
    return smooth(heard, 6)[_AROUND:-_AROUND]


def _mixed(rows: Tensor, shapes: dict[str, float]) -> Tensor:
    weights = torch.tensor([shapes.get(name, 0.0) for name in VISEMES])
    return rows[:, : len(VISEMES)] @ weights


def _column(rows: Tensor, viseme: str) -> Tensor:
    return rows[:, VISEMES.index(viseme)]


# ---------------------------------------------------------------------------------- head, brows, eyes

# Standard deviation and turning points a second of each wandering channel: degrees, cm, or shares.
_WANDERING = {
    "yaw": (1.5, 0.44),
    "pitch": (0.9, 0.56),
    "roll": (0.8, 0.36),
    "tx": (0.07, 0.44),
    "ty": (0.05, 0.56),
    "brow": (0.12, 0.5),
    "smile": (0.06, 0.3),
}
_FADE = 0.4  # seconds in which the head comes from and returns to rest


def _liveliness(rows: Tensor, activity: Tensor) -> dict[str, Tensor]:
    """Brows and chin lift with slow changes of loudness while somebody speaks."""
    level = rows[:, len(VISEMES)].clamp(min=-70)
    stress = ((smooth(level, 25) - smooth(level, 150)) / 8).clamp(-1, 1) * activity
    return {"brow": 0.3 * stress, "pitch": 0.6 * stress}


def _activity(rows: Tensor, gate: Tensor) -> Tensor:
    """How much is being said, 0..1."""
    return smooth((1 - _column(rows, "sil")) * gate, 40)


def _head(activity: Tensor, times: Tensor, seed: int) -> dict[str, Tensor]:
    """Slow wandering, stronger while speaking, from and to rest at the ends."""
    amount = 0.45 + 0.55 * read(activity, times * ROWS_PER_SECOND)
    end = times[0] + times[-1]
    amount = amount * smoothstep(times / _FADE) * smoothstep((end - times) / _FADE)
    return {name: amount * _wander(times, name, seed) for name in _WANDERING}


def _wander(times: Tensor, name: str, seed: int) -> Tensor:
    """A smooth random curve: a spline through normal draws at even times."""
    deviation, knots_per_second = _WANDERING[name]
    at = 1 + times * knots_per_second
    knots = torch.randn(int(at[-1]) + 3, generator=_generator(seed, name), dtype=torch.float64)
    return LARGEST_ANGLE * torch.tanh(deviation * spline(knots, at) / LARGEST_ANGLE)


USUAL_RATE = 19.0
"""Blinks a minute of the drawn gaps."""


_BLINK = 0.30  # seconds


def _blinks(times: Tensor, starts: Sequence[float]) -> Tensor:
    """Lids closed, 0..1: from each of the starts on 90 ms to close, 50 ms shut, 160 ms to open."""
    closed = torch.zeros_like(times)
    for start in starts:
        around = torch.tensor([start, start + _BLINK], dtype=times.dtype)
        first, stop = torch.searchsorted(times, around, right=True)
        since = times[first:stop] - start
        lids = smoothstep(since / 0.09) * smoothstep((_BLINK - since) / 0.16)
        closed[first:stop] = closed[first:stop].maximum(lids)
    return closed


def _blink_starts(until: float, generator: torch.Generator, pace: float) -> list[float]:
    """Seconds at which a blink begins, sometimes twice in a row; gaps are log-normal: at a pace of 1 median
    3.2 s, 1.2 to 7 s."""
    starts: list[float] = []
    if pace <= 0:
        return starts
    start = (0.8 + 1.2 * float(torch.rand((), generator=generator))) / pace
    while start < until:
        starts.append(start)
        if float(torch.rand((), generator=generator)) < 0.12:
            starts.append(start + 0.38)
        gap = 3.2 * math.exp(0.45 * float(torch.randn((), generator=generator)))
        start = starts[-1] + min(max(gap, 1.2), 7.0) / pace
    return starts


def _generator(seed: int, purpose: str) -> torch.Generator:
    """Chance of its own for every purpose, so that none disturbs another and longer clips begin alike."""
    stream = (*_WANDERING, "blink").index(purpose)
    return torch.Generator().manual_seed((seed * 16 + stream) % 2**64)
