"""Lazy pictures gathered into one float tensor: the only place where a whole clip is held in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..host import Host
from ..sequences import DEFAULT_BATCH, ComputedSequence, LazySequence

BYTES_PER_VALUE = 4
GIGABYTE = 1e9


def part_of(frames: LazySequence, start: int, count: int) -> LazySequence:
    """`count` frames from number `start` on, lazily; -1 takes all that follow.

    Raises `InputError` when the sequence has no such frames.
    """
    end = len(frames) if count == -1 else start + count
    if not 0 <= start < end <= len(frames):
        raise InputError(
            f"Frames {start} to {end - 1} were asked for, but there are {len(frames)}, counted from 0. "
            "Lower start or count; a count of -1 takes all that follow."
        )
    return ComputedSequence(
        lambda low, high: frames[start + low : start + high], end - start, frames.shape, frames.dtype
    )


def collect_images(frames: LazySequence, host: Host, free_memory: int | None = None) -> Tensor:
    """Render RGB uint8 (N, H, W, 3) frames into float32 (N, H, W, 3) in 0..1.

    free_memory: bytes that may be used; an `InputError` says what is needed when that is not enough.
    """
    _check_memory(frames, free_memory)
    images = torch.empty((len(frames), *frames.shape), dtype=torch.float32)
    done = 0
    for batch in frames.batches(DEFAULT_BATCH):
        host.check_interrupted()
        images[done : done + len(batch)] = float_images(batch)
        done += len(batch)
        host.progress("images", done, len(frames), batch[-1])
    return images


def float_images(pixels: Tensor) -> Tensor:
    """RGB uint8 as float32 in 0..1, the same shape."""
    return pixels.float() / 255


def _check_memory(frames: LazySequence, free_memory: int | None) -> None:
    height, width, channels = frames.shape
    needed = len(frames) * height * width * channels * BYTES_PER_VALUE
    if free_memory is not None and needed > free_memory:
        raise InputError(
            f"{len(frames)} images of {width}x{height} need {needed / GIGABYTE:.1f} GB of memory and "
            f"{free_memory / GIGABYTE:.1f} GB are free. Take fewer of them with start and count, "
            "lower max_size, or write a video instead: that needs no more memory for a longer clip."
        )
