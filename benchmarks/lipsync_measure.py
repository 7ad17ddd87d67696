"""Measure lip sync against speech whose sounds and their times are known.

The lips of every decoded frame are found by the face mesh, freed of head pose and size (cm on the canonical
face), and compared with the opening that the known sounds ask for. The lip-sync test and the lip-sync
benchmark share this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ditto_core.face.find import Face, FaceFinder
from ditto_core.face.mesh import landmark_region
from ditto_core.lite.geometry import (
    LIP_CORNERS,
    LOWER_LID,
    LOWER_LIP,
    UPPER_LID,
    UPPER_LIP,
    canonical_face,
    place,
)
from ditto_core.lite.motion import OPEN, WIDE
from ditto_core.options import FaceChoice

Curve = NDArray[np.float64]

RATE = 100  # reference rows a second
LAGS = np.arange(-40, 41) / RATE
"""Seconds by which the picture may come late (+) or early (-)."""

CLOSURE_WINDOW = 0.06
"""Seconds to either side of a lip closure's middle in which the lips may be tightest."""


@dataclass(frozen=True)
class KnownPhones:
    """What is said when: the start and end of every sound in seconds, and its viseme."""

    starts: Curve
    stops: Curve
    visemes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return float(self.stops[-1])

    def asked(self, shapes: dict[str, float], deviation: float) -> Curve:
        """The curve at 100 Hz that `shapes` ask for, smoothed by `deviation` rows as lips are."""
        rows = np.arange(int(np.ceil(self.seconds * RATE)) + 1) / RATE
        index = np.searchsorted(self.starts, rows, side="right") - 1
        values = np.array([shapes.get(viseme, 0.0) for viseme in self.visemes])
        return gaussian_filter1d(values[index.clip(0)], deviation, mode="nearest")

    def middles(self, viseme: str) -> Curve:
        chosen = np.array([name == viseme for name in self.visemes])
        return ((self.starts + self.stops) / 2)[chosen]


def read_phones(path: Path) -> KnownPhones:
    """Read the JSON beside a bundled recording: {"phones": [[start, stop, viseme], …]}."""
    table = json.loads(path.read_text("utf-8"))["phones"]
    return KnownPhones(
        np.array([row[0] for row in table]),
        np.array([row[1] for row in table]),
        tuple(row[2] for row in table),
    )


@dataclass(frozen=True)
class Agreement:
    """How well a measured curve follows a reference: r at the best lag, that lag in seconds (+ is late), and
    the 95th percentile of what r the same curve reaches with the speech shifted in time (each shift with its
    own best lag)."""

    r: float
    lag: float
    control_p95: float


def agreement(measured: Curve, reference: Curve, fps: float) -> Agreement:
    """Compare a curve measured at frame centres (N,) with a reference at 100 Hz."""
    r, lag = best_lag(measured, reference, fps)
    shifts = range(RATE, len(reference) - RATE, RATE // 4)
    control = [best_lag(measured, np.roll(reference, shift), fps)[0] for shift in shifts]
    control = control or [float("nan")]
    return Agreement(r, lag, float(np.percentile(control, 95)))


def best_lag(measured: Curve, reference: Curve, fps: float) -> tuple[float, float]:
    times = (np.arange(len(measured)) + 0.5) / fps
    rows = np.arange(len(reference)) / RATE
    shown = np.stack([np.interp(times - lag, rows, reference) for lag in LAGS])
    shown -= shown.mean(axis=1, keepdims=True)
    moving = measured - measured.mean()
    scale = np.linalg.norm(shown, axis=1) * np.linalg.norm(moving)
    r = shown @ moving / np.maximum(scale, 1e-12)
    return float(r.max()), float(LAGS[r.argmax()])


def opening_agreement(gap: Curve, phones: KnownPhones, fps: float) -> Agreement:
    return agreement(gap, phones.asked(OPEN, 4), fps)


def width_agreement(width: Curve, phones: KnownPhones, fps: float) -> Agreement:
    return agreement(width, phones.asked(WIDE, 6), fps)


def closure_rank(gap: Curve, phones: KnownPhones, fps: float) -> float:
    """The chance that the lips are tighter at a p, b or m than in a spoken window without one."""
    closures = phones.middles("PP")
    times = np.arange(CLOSURE_WINDOW, phones.seconds - CLOSURE_WINDOW, 0.04)
    index = np.searchsorted(phones.starts, times, side="right") - 1
    spoken = np.array([phones.visemes[i] != "sil" for i in index])
    apart = np.abs(times[:, None] - closures).min(axis=1) > 2 * CLOSURE_WINDOW
    tight = np.array([_tightest(gap, fps, at) for at in closures])
    other = np.array([_tightest(gap, fps, at) for at in times[spoken & apart]])
    return float((tight[:, None] < other).mean() + 0.5 * (tight[:, None] == other).mean())


def _tightest(gap: Curve, fps: float, middle: float) -> float:
    at = np.linspace(middle - CLOSURE_WINDOW, middle + CLOSURE_WINDOW, 13)
    return float(np.interp(at * fps - 0.5, np.arange(len(gap)), gap).min())


# ------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Watched:
    """What the face mesh sees in every frame of a video (N,), in cm on the canonical face.

    gap: between the inner lips; width: between the corners of the mouth; lids: between the lids of both eyes.
    """

    gap: Curve
    width: Curve
    lids: Curve
    fps: float

    def blinks(self) -> int:
        """How often the lids come nearer than half their usual distance."""
        shut = self.lids < 0.5 * np.median(self.lids)
        return int((shut[1:] & ~shut[:-1]).sum() + shut[0])


def watch(video: Path, choice: FaceChoice | None = None) -> Watched:
    """Find one face in every frame of a video."""
    finder = FaceFinder.default()
    face: Face | None = None
    seen: list[NDArray[np.floating]] = []
    with av.open(str(video)) as container:
        fps = float(container.streams.video[0].average_rate)
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            followed = finder.place(picture, landmark_region(face.landmarks)) if face else None
            face = followed or finder.find(picture, choice)
            seen.append(face.landmarks[: len(canonical_face().vertices)])
    landmarks = np.stack(seen)
    points = place(landmarks).to_cm(landmarks).astype(np.float64)
    middle = slice(4, 7)
    gap = points[:, UPPER_LIP[3, middle], 1] - points[:, LOWER_LIP[3, middle], 1]
    corners = points[:, LIP_CORNERS[:2]]
    lids = points[:, UPPER_LID[:, 2:5], 1] - points[:, LOWER_LID[:, 2:5], 1]
    return Watched(gap.mean(1), np.ptp(corners[..., 0], axis=1), lids.mean((1, 2)), fps)
