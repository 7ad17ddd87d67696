"""Frames that are in memory already, shown at another rate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import torch

from ..data import Source
from ..sequences import GatheredSequence, frames_in, shown_at


def retimed(source: Source, fps: Fraction) -> Source:
    """The same clip at `fps`; a picture stays what it is.

    Frame i is what the source shows at (i + 1/2) / fps seconds, the rule video files are read by; there are
    as many as have their middle before the clip's end, and at least one.
    """
    if source.fps is None or source.fps == fps:
        return source
    length = len(source.frames)
    count = frames_in(length / source.fps, fps)
    index = shown_at(torch.arange(count), source.fps / fps).clamp(max=length - 1)
    return replace(source, frames=GatheredSequence(source.frames, index), fps=fps)
