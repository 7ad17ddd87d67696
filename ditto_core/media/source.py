"""Opens the picture or video to animate, from a file or from pixels, and limits its size."""

from __future__ import annotations

from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Source
from ..errors import InputError
from ..sequences import ComputedSequence, LazySequence, TensorSequence
from .animation import AnimatedPicture
from .arrays import as_tensor
from .images import check_sides, kind_of, over_backdrop, read_image
from .video import VideoFrames

_BRIGHTEST = 2.0
"""Float pixels may overshoot 1 a little; above this they were meant as 0..255."""


def open_source(path: str | PathLike[str], fps: Fraction) -> Source:
    """Open a picture (one frame, `fps` None) or a video (read lazily, resampled to `fps`).

    The file's content decides which, not its name; an animated picture is a video, a video of one frame a
    picture. Raises `MediaError` when it is neither or cannot be read.
    """
    name = Path(path).name
    kind = kind_of(path)
    if kind == "picture":
        return Source(TensorSequence(read_image(path)[None]), None, name)
    if kind == "animation":
        return Source(AnimatedPicture(path, fps), fps, name)
    video = VideoFrames(path, fps)
    if len(video.timeline.times) == 1:
        return Source(first_frames(video, 1), None, name)
    return Source(video, fps, name)


def as_source(pixels: NDArray[Any] | Tensor, fps: Fraction | None = None, name: str = "source") -> Source:
    """A source from pixels: (H, W, C) or (S, H, W, C) with C of 1, 3 or 4, uint8 or float 0..1.

    Greys are repeated to RGB, RGBA is put on a neutral grey. Floats become uint8 by rounding, a batch at a
    time when it is read. Raises `InputError` for other shapes, types and ranges, and for NaN.
    """
    values = as_tensor(pixels)
    if values.ndim == 3:
        values = values[None]
    if values.ndim != 4 or values.shape[-1] not in (1, 3, 4) or len(values) == 0:
        raise InputError(
            f"{name}: pixels must be (height, width, channels) or (frames, height, width, channels) with "
            f"1, 3 or 4 channels; these are {tuple(pixels.shape)}."
        )
    if values.dtype != torch.uint8 and not values.is_floating_point():
        raise InputError(f"{name}: pixels must be uint8 or float 0..1; these are {values.dtype}.")
    count, height, width, _ = values.shape
    check_sides(height, width, name)
    still = fps if count > 1 else None
    if values.dtype == torch.uint8 and values.shape[-1] == 3:
        return Source(TensorSequence(values.cpu()), still, name)

    def compute(start: int, stop: int) -> Tensor:
        return _as_rgb(_as_bytes(values[start:stop], name, start))

    return Source(ComputedSequence(compute, count, (height, width, 3), torch.uint8), still, name)


def limit_size(frames: LazySequence, max_size: int) -> LazySequence:
    """Frames whose sides are even and at most `max_size` pixels, lazily.

    Larger ones are scaled down (area filter): the longer side becomes `max_size`, the other one
    round(other * max_size / longer). Then an odd side loses its last row or column; pixels that need no
    scaling stay the source's own bytes. Nothing is scaled up. Raises `InputError` when a side would
    become too short.
    """
    height, width = frames.shape[:2]
    scaled = _scaled_sides(height, width, max_size)
    even = (scaled[0] // 2 * 2, scaled[1] // 2 * 2)
    if even == (height, width):
        return frames
    check_sides(*even, f"The source ({width} x {height}) scaled to {max_size} pixels")

    def compute(start: int, stop: int) -> Tensor:
        batch = frames[start:stop]
        if scaled != (height, width):
            batch = _scaled(batch, scaled)
        return batch[:, : even[0], : even[1]].contiguous()

    return ComputedSequence(compute, len(frames), (*even, 3), torch.uint8)


def first_frames(frames: LazySequence, count: int) -> LazySequence:
    """The first `count` frames, or all when `count` is -1 or more than there are."""
    if count < 0 or count >= len(frames):
        return frames
    return frames.part(0, count)


def _scaled_sides(height: int, width: int, max_size: int) -> tuple[int, int]:
    longer = max(height, width)
    if longer <= max_size:
        return height, width
    return round(height * max_size / longer), round(width * max_size / longer)


def _scaled(batch: Tensor, sides: tuple[int, int]) -> Tensor:
    smaller = torch.empty((len(batch), *sides, 3), dtype=torch.uint8)
    for source, target in zip(batch.numpy(), smaller.numpy(), strict=True):
        cv2.resize(source, sides[::-1], dst=target, interpolation=cv2.INTER_AREA)
    return smaller


def _as_bytes(values: Tensor, name: str, first: int) -> Tensor:
    if values.dtype == torch.uint8:
        return values.cpu()
    values = values.float().cpu()
    flat = values.flatten(1)
    for wrong, what in (
        (~torch.isfinite(flat).all(dim=1), "contains NaN or infinity"),
        (flat.amax(dim=1) > _BRIGHTEST, "has values far above 1; float pixels must be in 0..1"),
    ):
        if bool(wrong.any()):
            raise InputError(f"{name}: frame {first + int(wrong.nonzero()[0])} {what}.")
    return values.clamp(0, 1).mul(255).round().byte()


def _as_rgb(values: Tensor) -> Tensor:
    if values.shape[-1] == 1:
        return values.expand(-1, -1, -1, 3).contiguous()
    return torch.from_numpy(over_backdrop(values.numpy())) if values.shape[-1] == 4 else values
