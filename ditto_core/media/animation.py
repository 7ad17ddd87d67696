"""An animated picture that libav does not play (WebP, AVIF) as a lazy sequence of RGB frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from os import PathLike
from threading import Lock
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from ..sequences import LazySequence, frames_in
from .decoding import Timeline
from .images import DAMAGE, as_rgb, check_sides, open_picture, unreadable

_Read = TypeVar("_Read")

_HURRIED, _UNHURRIED = 10, 100
"""A picture said to be on for at most the one (ms) is on for the other, as in browsers."""


class AnimatedPicture(LazySequence):
    """Upright RGB uint8 (H, W, 3) frames of an animated picture at `fps`, played once.

    Frame i is what it shows (i + 1/2) / fps seconds after its start, as with `VideoFrames`. It is decoded
    when it is asked for; reading backwards begins anew. Safe to read from several threads. Raises
    `MediaError` for what cannot be read.
    """

    def __init__(self, path: str | PathLike[str], fps: Fraction) -> None:
        self.path = path
        self.fps = fps
        self._lock = Lock()
        self._image = open_picture(path)
        times = [0]
        for lasts in self._durations():
            times.append(times[-1] + (lasts if lasts > _HURRIED else _UNHURRIED))
        self.timeline = Timeline(times[:-1], [0], times[-1], Fraction(1, 1000))
        check_sides(self._image.height, self._image.width, str(path))
        super().__init__(frames_in(self.timeline.seconds, fps), tuple(self._picture(0).shape), torch.uint8)

    def compute(self, start: int, stop: int) -> Tensor:
        times = [(index + Fraction(1, 2)) / self.fps for index in range(start, stop)]
        with self._lock:
            return torch.stack([self._picture(self.timeline.number_at(time)) for time in times])

    def _durations(self) -> Iterator[int]:
        for number in range(getattr(self._image, "n_frames", 1)):
            yield self._of_picture(number, lambda image: int(image.info.get("duration", 0)))

    def _picture(self, number: int) -> Tensor:
        return torch.from_numpy(self._of_picture(number, as_rgb))

    def _of_picture(self, number: int, read: Callable[[Image.Image], _Read]) -> _Read:
        try:
            self._image.seek(number)
            self._image.load()
            return read(self._image)
        except DAMAGE as error:
            raise unreadable(self.path, error) from error
