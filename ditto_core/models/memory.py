"""What happens when memory runs out: smaller batches first, then an error that says what helps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import DittoError, ModelError

Part = TypeVar("Part")

REMEDIES = (
    "Lower max_size (1080, or 512 for a preview) or template_n_frames (50), choose precision fp16 on a GPU "
    "or bf16 on a CPU, close other programs that hold memory, or choose the device cpu."
)

_SAID = (
    "out of memory",
    "outofmemory",  # TensorRT
    "failed to allocate memory",  # ONNX Runtime
    "bad allocation",
    "std::bad_alloc",
    "can't allocate memory",  # torch, on the CPU
    "cudaerrormemoryallocation",
    "cublas_status_alloc_failed",
)


class OutOfMemory(ModelError):
    """Memory does not suffice for a single item; the message says what helps."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether this error, or one it came from, says that memory ran out, in whatever library."""
    while error is not None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        told = str(error).lower()
        if isinstance(error, (RuntimeError, DittoError)) and any(words in told for words in _SAID):
            return True
        error = error.__cause__
    return False


@contextmanager
def shortage_explained(doing: str) -> Generator[None]:
    """Turn running out of memory into an `OutOfMemory` that names what was being done and what helps."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemory) or not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"The memory does not suffice for {doing}. {REMEDIES}") from error


class Batches:
    """Computes many items a few at a time; after running out of memory, half as many from then on."""

    def __init__(self, size: int) -> None:
        self.size = size
        """Items computed at once."""

    def __call__(self, doing: str, compute: Callable[[int, int], Part], start: int, stop: int) -> list[Part]:
        """Items start..stop-1 in the parts that `compute(start, stop)` gives."""
        parts: list[Part] = []
        while start < stop:
            end = min(start + self.size, stop)
            part = self._attempt(doing, compute, start, end)
            if part is not None:
                parts.append(part)
                start = end
        return parts

    def _attempt(self, doing: str, compute: Callable[[int, int], Part], start: int, end: int) -> Part | None:
        """The items, or None when there are too many of them and `size` became smaller."""
        with shortage_explained(doing):
            try:
                return compute(start, end)
            except Exception as error:
                if end - start == 1 or not is_out_of_memory(error):
                    raise
                self.size = (end - start) // 2
        # Out here nothing holds the failed attempt's tensors any more.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def on_host(values: Tensor) -> Tensor:
    """The values in main memory; from a CUDA GPU by way of pinned memory, which is several times faster."""
    if values.device.type != "cuda":
        return values.cpu()
    pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    pinned.copy_(values, non_blocking=True)
    torch.cuda.current_stream(values.device).synchronize()
    return pinned
