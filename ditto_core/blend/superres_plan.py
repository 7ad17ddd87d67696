"""What is asked of super-resolution, and the rule for which frames get it, in numbers and in words.

A rendered face lacks resolution when the crop it was rendered in has fewer pixels than the region of the
frame it is put back on. In pictures whose renderer is not known, every face counts that has fewer pixels
than a face restorer gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from ..data import Frames, RenderedRegion
from ..limits import SHARE, Limits, check_fields
from ..models.execution import PrecisionChoice

Method = Literal["none", "GFPGAN", "CodeFormer", "both", "RestoreFormer", "model"]
When = Literal["auto", "always", "never"]

FACE_SIDE = 512
"""Pixels of the aligned face that every face restorer takes and gives."""

SMALLEST_FACE = 32
"""Side in pixels of the smallest aligned face worth restoring: of less, a restorer invents another person."""

SHOWN_RANGES = 4


@dataclass(frozen=True)
class SuperResOptions:
    """How rendered faces are enhanced.

    method: the networks; both is GFPGAN, then CodeFormer; model is the one in the file `model`, a face
    restorer or an upscaler. A `model` beside another method is used instead of that method's file. when:
    auto goes by the rule above. fidelity: CodeFormer's, 0 the finest face .. 1 the given one. strength: 0
    nothing .. 1 all of the enhancement. steadiness: frames to each side over which the enhancement of what
    keeps still is averaged, against flicker. precision: what the networks calculate in; auto is fp16 on
    a GPU for networks made for it.
    """

    method: Method = "none"
    model: Path | None = None
    when: When = "auto"
    fidelity: Annotated[float, SHARE] = 0.5
    strength: Annotated[float, SHARE] = 1.0
    steadiness: Annotated[int, Limits(0, 8)] = 2
    precision: PrecisionChoice = "auto"

    def __post_init__(self) -> None:
        if self.model is not None:
            object.__setattr__(self, "model", Path(self.model))  # it may be text
        check_fields(self, "super-resolution")

    @property
    def off(self) -> bool:
        return self.method == "none" or self.when == "never" or self.strength == 0


@dataclass(frozen=True)
class Plan:
    """Which of N frames are enhanced.

    frames: (N,) bool. by_face: each face's own size decides besides. report: what the user is told.
    """

    frames: Tensor
    by_face: bool
    report: str


def shortfall(rendered: tuple[int, int], original: tuple[int, int]) -> float:
    """How many times larger the original region is than what was rendered, by the side that lacks most.

    Both as (height, width) in pixels. Above 1, resolution is missing.
    """
    return max(original[0] / rendered[0], original[1] / rendered[1])


def plan(frames: Frames, options: SuperResOptions) -> Plan:
    """Decide for every frame; nothing is rendered for it."""
    count = len(frames.images)
    if options.off:
        return Plan(torch.zeros(count, dtype=torch.bool), False, "Super-resolution is off.")
    if frames.rendered is not None:
        return _plan_of_rendered(frames.rendered, options)
    by_face = options.when == "auto"
    faces = f"faces with fewer than {FACE_SIDE}x{FACE_SIDE} pixels" if by_face else "all faces"
    told = f"Super-resolution ({options.method}) of {faces} in {_frames(count)}."
    return Plan(torch.ones(count, dtype=torch.bool), by_face, told)


def original_size(region: RenderedRegion) -> list[tuple[int, int]]:
    """Height and width in pixels of the region of each frame that the crop is put back on."""
    height, width = region.weight.shape
    return [(round(height * scale), round(width * scale)) for scale in scales(region)]


def scales(region: RenderedRegion) -> list[float]:
    """Pixels of each frame along one pixel of the crop."""
    linear = region.to_frame[:, :2, :2].numpy().astype(np.float64)
    return [math.sqrt(abs(float(area))) for area in np.linalg.det(linear)]


def listed(numbers: list[int]) -> str:
    """Frame numbers for a reader: `0-11, 14, 20-25, …`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    told = [f"{low}" if low == high else f"{low}-{high}" for low, high in ranges]
    return ", ".join(told[:SHOWN_RANGES]) + (", …" if len(told) > SHOWN_RANGES else "")


def _plan_of_rendered(region: RenderedRegion, options: SuperResOptions) -> Plan:
    height, width = region.weight.shape
    sizes = original_size(region)
    lacking = torch.tensor([shortfall((height, width), size) > 1 for size in sizes])
    chosen = region.shown if options.when == "always" else region.shown & lacking
    numbers = [number for number, wanted in enumerate(chosen) if wanted]
    compared = f"rendered with {width}x{height} pixels, in the frame {_span(sizes)}"
    if not numbers:
        told = (
            f"Super-resolution ({options.method}) changes nothing: the face is {compared}. "
            "`always` enhances it all the same."
        )
    else:
        which = "" if len(numbers) == len(sizes) else f": {listed(numbers)}"
        why = "which lacks resolution" if bool(lacking[chosen].all()) else "and `always` is chosen"
        told = (
            f"Super-resolution ({options.method}) of {len(numbers)} of {_frames(len(sizes))}{which}. "
            f"The face is {compared}, {why}."
        )
    return Plan(chosen, False, told)


def _span(sizes: list[tuple[int, int]]) -> str:
    low, high = min(sizes), max(sizes)
    told = f"{low[1]}x{low[0]}"
    return told if low == high else f"{told} to {high[1]}x{high[0]}"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
