"""Lazy pictures gathered into one float tensor: the only place where a whole clip is held in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import InputError
from ..host import Host
from ..sequences import LazySequence
from ..sizes import size_of

BYTES_PER_VALUE = 4


def part_of(frames: LazySequence, start: int, count: int) -> LazySequence:
    """`count` frames from number `start` on, lazily; -1 takes all that follow.

    Raises `InputError` when the sequence has no such frames.
    """
    end = len(frames) if count == -1 else start + count
    if not (0 <= start < len(frames) and start < end <= len(frames)):
        asked = "All frames" if count == -1 else f"{count} frames"
        raise InputError(
            f"{asked} from number {start} on were asked for, but there are {len(frames)}, counted from 0. "
            "Change start or count; a count of -1 takes all that follow."
        )
    return frames.part(start, end)


def collect_images(frames: LazySequence, host: Host, free_memory: int | None = None) -> Tensor:
    """Render RGB 0..255 (N, H, W, 3), uint8 or float32, into float32 (N, H, W, 3) in 0..1.

    free_memory: bytes that may be used; an `InputError` says what is needed when that is not enough.
    """
    return _collect(frames, float_images, host, free_memory)


def collect_masks(masks: LazySequence, host: Host, free_memory: int | None = None) -> Tensor:
    """Compute masks (N, H, W) in 0..1; free_memory as in `collect_images`."""
    return _collect(masks, lambda values: values, host, free_memory)


def _collect(
    frames: LazySequence, convert: Callable[[Tensor], Tensor], host: Host, free_memory: int | None
) -> Tensor:
    _check_memory(frames, free_memory)
    images = torch.empty((len(frames), *frames.shape), dtype=torch.float32)
    done = 0
    for batch in frames.batches():
        host.check_interrupted()
        images[done : done + len(batch)] = convert(batch)
        done += len(batch)
        host.progress("images", done, len(frames), _preview(images[done - 1]))
    return images


def _preview(image: Tensor) -> Tensor:
    """A picture or mask in 0..1 as RGB uint8 (H, W, 3)."""
    colours = image if image.ndim == 3 else image[..., None].expand(-1, -1, 3)
    return colours.mul(255).round().clamp(0, 255).to(torch.uint8)


def float_images(pixels: Tensor) -> Tensor:
    """RGB 0..255 as float32 in 0..1, the same shape."""
    return pixels.float() / 255


def _check_memory(frames: LazySequence, free_memory: int | None) -> None:
    height, width = frames.shape[:2]
    needed = len(frames) * math.prod(frames.shape) * BYTES_PER_VALUE
    if free_memory is not None and needed > free_memory:
        raise InputError(
            f"{len(frames)} images of {width}x{height} need {size_of(needed)} of memory and "
            f"{size_of(free_memory)} are free. Take fewer of them with start and count, "
            "lower max_size, or write a video instead: that needs no more memory for a longer clip."
        )
