"""Draws motion, or any curves, over the waveform of the speech, with nothing but Pillow.

Each panel shows the curves that belong together on a common scale; the waveform is the backdrop of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, pairwise
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..data import Audio, Motion
from ..errors import InputError

OVERSAMPLING = 2
MARGIN = (64, 34, 20, 40)
"""Pixels left of, above, right of and below the panels."""
GAP = 30
"""Pixels between panels: room for a panel's title and legend."""

BACKGROUND = (24, 25, 28)
PANEL = (33, 35, 39)
GRID = (58, 61, 67)
WAVE = (70, 80, 96)
TEXT = (200, 203, 208)
FAINT = (140, 144, 150)
COLOURS = ((255, 176, 59), (92, 200, 255), (150, 220, 110), (240, 110, 150), (190, 150, 255), (240, 230, 130))

Panels = Mapping[str, Mapping[str, Tensor]]
"""Curves (N,) by name, by the title of the panel they are drawn in."""


@dataclass(frozen=True)
class _Box:
    """A panel's place in pixels, and the ranges its axes show."""

    left: float
    top: float
    right: float
    bottom: float
    seconds: float
    low: float
    high: float

    def x(self, time: float) -> float:
        return self.left + (self.right - self.left) * time / self.seconds

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.low) / (self.high - self.low)


class _Canvas:
    """A picture drawn larger and scaled down, so that lines are smooth. Coordinates are final pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(13 * OVERSAMPLING)

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: float) -> None:
        scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
        self._draw.line(scaled, colour, max(1, round(width * OVERSAMPLING)), joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]) -> None:
        self._draw.rectangle([value * OVERSAMPLING for value in (left, top, right, bottom)], colour)

    def text(self, x: float, y: float, text: str, colour: tuple[int, int, int], anchor: str) -> float:
        """Write and return where the text ends."""
        place = (x * OVERSAMPLING, y * OVERSAMPLING)
        self._draw.text(place, text, colour, self._font, anchor)
        return x + self._draw.textlength(text, self._font) / OVERSAMPLING

    def finished(self) -> Tensor:
        small = self._image.resize(self.size, Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(small))


def plot_motion(motion: Motion, width: int = 1200, height: int = 720) -> Tensor:
    """Motion over the waveform of its speech: RGB uint8 (height, width, 3).

    The channels its engine names are shown in that engine's panels; where those of the mouth have no names,
    those of all others that move most, too.
    """
    return plot_curves(_panels(motion), motion.fps, motion.audio, width, height)


def plot_curves(
    panels: Panels, fps: Fraction, audio: Audio | None = None, width: int = 1200, height: int = 720
) -> Tensor:
    """Curves of one length over the waveform of the sound, if any: RGB uint8 (height, width, 3).

    Frame i is drawn at (i + 0.5) / fps seconds. Raises an `InputError` when there is nothing to draw.
    """
    counts = [len(curve) for curves in panels.values() for curve in curves.values()]
    if not counts:
        raise InputError("There is nothing to draw: no curve was given.")
    seconds = counts[0] / float(fps)
    canvas = _Canvas(width, height)
    left, top, right, bottom = MARGIN
    each = (height - top - bottom - GAP * (len(panels) - 1)) / len(panels)
    wave = None if audio is None else _envelope(audio, seconds, width - left - right)
    for row, (title, panel) in enumerate(panels.items()):
        start = top + row * (each + GAP)
        curves = {name: cast("list[float]", curve.tolist()) for name, curve in panel.items()}
        low, high = _range(list(curves.values()))
        box = _Box(left, start, width - right, start + each, seconds, low, high)
        _draw_axes(canvas, box, last=row == len(panels) - 1)
        if wave is not None:
            _draw_wave(canvas, box, wave)
        _draw_curves(canvas, box, title, curves, float(fps))
    return canvas.finished()


def _panels(motion: Motion) -> Panels:
    """The engine's panels with the channels this motion has, after one of those that move most."""
    column = {name: motion.values[:, number] for number, name in enumerate(motion.channels)}
    named = {
        title: {name: column[name] for name in names if name in column}
        for title, names in motion.engine.panels.items()
    }
    named = {title: curves for title, curves in named.items() if curves}
    if "Mouth" in named:
        return named
    shown = {name for curves in named.values() for name in curves}
    others = {name: curve for name, curve in column.items() if name not in shown}
    spread = {name: float(curve.std(correction=0)) for name, curve in others.items()}
    liveliest = sorted(others, key=lambda name: -spread[name])[: len(COLOURS)]
    return {"Motion": {name: others[name] for name in liveliest}, **named}


def _range(curves: Sequence[Sequence[float]]) -> tuple[float, float]:
    """What the value axis shows: all values and 0, with some air, never nothing."""
    low = min(0.0, *(min(curve) for curve in curves))
    high = max(0.0, *(max(curve) for curve in curves))
    air = 0.08 * (high - low) or 0.5
    return low - air, high + air


def _envelope(audio: Audio, seconds: float, columns: int) -> NDArray[np.float32]:
    """Peak level of each pixel column, 0..1, relative to the loudest."""
    loudness = audio.samples.abs().amax(dim=0).numpy()
    edges = np.linspace(0, seconds * audio.rate, columns + 1).astype(int)
    peaks = [loudness[a : max(b, a + 1)].max(initial=0) for a, b in pairwise(edges)]
    return np.array(peaks, np.float32) / max(float(np.max(peaks)), 1e-6)


def _draw_axes(canvas: _Canvas, box: _Box, *, last: bool) -> None:
    canvas.box(box.left, box.top, box.right, box.bottom, PANEL)
    for value in _ticks(box.low, box.high, 5):
        canvas.line([(box.left, box.y(value)), (box.right, box.y(value))], GRID, 1)
        canvas.text(box.left - 8, box.y(value), f"{value:g}", FAINT, "rm")
    for time in _ticks(0, box.seconds, 12):
        canvas.line([(box.x(time), box.top), (box.x(time), box.bottom)], GRID, 0.5)
        if last:
            canvas.text(box.x(time), box.bottom + 8, f"{time:g} s", FAINT, "ma")


def _draw_wave(canvas: _Canvas, box: _Box, wave: NDArray[np.float32]) -> None:
    middle, reach = (box.top + box.bottom) / 2, 0.45 * (box.bottom - box.top)
    for column, level in enumerate(wave.tolist()):
        if level > 0:
            x = box.left + column + 0.5
            canvas.line([(x, middle - reach * level), (x, middle + reach * level)], WAVE, 1)


def _draw_curves(
    canvas: _Canvas, box: _Box, title: str, curves: Mapping[str, Sequence[float]], fps: float
) -> None:
    end = canvas.text(box.left, box.top - 8, title, TEXT, "ls")
    for (name, curve), colour in zip(curves.items(), cycle(COLOURS), strict=False):
        points = [(box.x((i + 0.5) / fps), box.y(value)) for i, value in enumerate(curve)]
        canvas.line(points if len(points) > 1 else [points[0], points[0]], colour, 2)
        canvas.box(end + 16, box.top - 14, end + 28, box.top - 11, colour)
        end = canvas.text(end + 34, box.top - 8, name.replace("_", " "), TEXT, "ls")


def _ticks(low: float, high: float, at_most: int) -> Iterator[float]:
    """Multiples of a round step (1, 2 or 5 times a power of ten) in low..high."""
    exact = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(exact))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= exact)
    for multiple in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield multiple * step
