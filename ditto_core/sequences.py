"""Lazy sequences: pictures or volumes that are computed in batches when somebody asks for them.

A stage returns such a sequence instead of its whole output, so that memory does not grow with the
length of a clip. `seq[a:b]` gives a tensor of the items a..b-1, `seq[i]` one item. Asking twice computes
twice: pull a sequence through once, in order, with `batches`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import overload

import torch
from torch import Tensor

from .errors import InputError

DEFAULT_BATCH = 8
BATCH_BYTES = 24_000_000
"""What the items of a batch take at most, unless one of them takes more."""


class LazySequence(ABC):
    """A length, the shape and dtype of one item, and items on demand."""

    def __init__(self, length: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.length = length
        self.shape = shape
        self.dtype = dtype

    @abstractmethod
    def compute(self, start: int, stop: int) -> Tensor:
        """Items start..stop-1 as a tensor (stop - start, *shape); 0 <= start < stop <= length."""

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, key: int) -> Tensor: ...

    @overload
    def __getitem__(self, key: slice) -> Tensor: ...

    def __getitem__(self, key: int | slice) -> Tensor:
        if isinstance(key, slice):
            start, stop, step = key.indices(self.length)
            if step != 1:
                raise InputError("A lazy sequence is read forwards, one after the other (step 1).")
            if stop <= start:
                return torch.empty((0, *self.shape), dtype=self.dtype)
            return self.compute(start, stop)
        index = key + self.length if key < 0 else key
        if not 0 <= index < self.length:
            raise IndexError(f"item {key} of a sequence of {self.length}")
        return self.compute(index, index + 1)[0]

    def batches(self, size: int | None = None) -> Iterator[Tensor]:
        """All items in order, `size` at a time; by default `batch_size`."""
        size = size or self.batch_size
        for start in range(0, self.length, size):
            yield self.compute(start, min(start + size, self.length))

    def part(self, start: int, stop: int) -> LazySequence:
        """Items start..stop-1, 0 <= start < stop <= length, as a sequence of their own."""
        return ComputedSequence(
            lambda low, high: self.compute(start + low, start + high), stop - start, self.shape, self.dtype
        )

    @property
    def batch_size(self) -> int:
        """Items to compute at a time, fewer of large ones: whoever interrupts waits for one batch."""
        item = math.prod(self.shape) * self.dtype.itemsize
        return min(max(BATCH_BYTES // max(item, 1), 1), DEFAULT_BATCH)


class TensorSequence(LazySequence):
    """A tensor that is in memory already."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(len(values), tuple(values.shape[1:]), values.dtype)
        self.values = values

    def compute(self, start: int, stop: int) -> Tensor:
        return self.values[start:stop]


class ComputedSequence(LazySequence):
    """Items from a function `(start, stop) -> tensor`."""

    def __init__(
        self,
        function: Callable[[int, int], Tensor],
        length: int,
        shape: tuple[int, ...],
        dtype: torch.dtype,
    ) -> None:
        super().__init__(length, shape, dtype)
        self.function = function

    def compute(self, start: int, stop: int) -> Tensor:
        return self.function(start, stop)


class RememberedSequence(LazySequence):
    """Another sequence that keeps what was read last: two stages that need the same items compute them once.

    What it gives is shared between its readers, who do not write on it.
    """

    def __init__(self, source: LazySequence) -> None:
        super().__init__(len(source), source.shape, source.dtype)
        self.source = source
        self._last: tuple[int, int, Tensor] | None = None

    def compute(self, start: int, stop: int) -> Tensor:
        last = self._last  # read once: another thread may read on
        if last is None or last[:2] != (start, stop):
            last = self._last = (start, stop, self.source[start:stop])
        return last[2]


class AheadSequence(LazySequence):
    """Another sequence read forwards: while one batch is used, a thread computes the next of the same size.

    For work on another device, which would wait meanwhile. An error of the next batch is raised when that is
    read; one that nobody reads is thrown away.
    """

    def __init__(self, source: LazySequence) -> None:
        super().__init__(len(source), source.shape, source.dtype)
        self.source = source
        self._thread = ThreadPoolExecutor(1, "ditto-ahead")
        self._next: tuple[int, int, Future[Tensor]] | None = None

    def compute(self, start: int, stop: int) -> Tensor:
        ahead, self._next = self._next, None
        expected = ahead is not None and ahead[:2] == (start, stop)
        values = ahead[2].result() if ahead is not None and expected else self.source[start:stop]
        if stop < self.length:
            end = min(2 * stop - start, self.length)
            self._next = stop, end, self._thread.submit(self.source.compute, stop, end)
        return values


class GatheredSequence(LazySequence):
    """Copies of the items of another sequence in the order of `index`, neighbours fetched together."""

    def __init__(self, source: LazySequence, index: Tensor) -> None:
        super().__init__(len(index), source.shape, source.dtype)
        self.source = source
        self.index = index

    def compute(self, start: int, stop: int) -> Tensor:
        wanted = self.index[start:stop]
        low, high = int(wanted.min()), int(wanted.max())
        if high - low < 2 * (stop - start):
            return self.source[low : high + 1][wanted - low]
        return torch.stack([self.source[int(i)] for i in wanted])


def frames_in(seconds: Fraction, fps: Fraction) -> int:
    """How many frames have their middle before the end of a clip of `seconds`; at least one."""
    return max(math.ceil(seconds * fps - Fraction(1, 2)), 1)


def shown_at(frame: Tensor, rate: Fraction) -> Tensor:
    """Which source frame is on screen in the middle of the time of each output frame (N,).

    `rate` is source frames for one output frame.
    """
    return (2 * frame + 1) * rate.numerator // (2 * rate.denominator)


def mirror_index(count: int, length: int, rate: Fraction = Fraction(1), start: int = 0) -> Tensor:
    """Which of `length` source frames each of `count` output frames from `start` on uses, see `mirrored`."""
    return mirrored(torch.arange(start, start + count), length, rate)


def mirrored(frame: Tensor, length: int, rate: Fraction = Fraction(1)) -> Tensor:
    """Which of `length` source frames, played there and back again, output frames (N,) use.

    `rate` is source frames for one output frame, see `shown_at`. Even passes run forwards, odd passes
    backwards; the end frames are shown twice in a row.
    """
    position = shown_at(frame, rate)
    turn, rest = position // length, position % length
    return torch.where(turn % 2 == 0, rest, length - rest - 1)
