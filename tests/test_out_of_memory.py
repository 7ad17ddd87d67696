"""When memory runs out, batches become smaller; then the user hears what helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ditto_core.errors import InputError, ModelError
from ditto_core.models.memory import Batches, OutOfMemory, is_out_of_memory, on_host, shortage_explained

ONNX_RUNTIME = ModelError(
    "The network in decoder.onnx failed: [ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code "
    "returned while running Conv node. BFCArena::AllocateRawInternal Failed to allocate memory for requested "
    "buffer of size 285081600"
)
TORCH_CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")


class Card:
    """Computes the double of numbers, at most `room` at once."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.calls: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> Tensor:
        self.calls.append((start, stop))
        if stop - start > self.room:
            raise self.error
        return 2 * torch.arange(start, stop)


@pytest.mark.parametrize("error", [None, ONNX_RUNTIME, TORCH_CPU, MemoryError()])
def test_a_batch_too_large_is_halved_until_it_fits(error: Exception | None) -> None:
    card, batches = Card(2, error), Batches(8)
    parts = batches("decoding", card, 3, 13)
    assert torch.equal(torch.cat(parts), 2 * torch.arange(3, 13))
    assert card.calls[:3] == [(3, 11), (3, 7), (3, 5)]
    assert [stop - start for start, stop in card.calls[2:]] == [2] * 5
    assert batches.size == 2

    card.calls.clear()  # what was learned stays
    batches("decoding", card, 0, 4)
    assert card.calls == [(0, 2), (2, 4)]


def test_when_one_item_does_not_fit_the_remedies_are_told() -> None:
    card = Card(0)
    with pytest.raises(OutOfMemory) as caught:
        Batches(4)("decoding a frame", card, 0, 4)
    assert [stop - start for start, stop in card.calls] == [4, 2, 1]
    told = str(caught.value)
    assert "does not suffice for decoding a frame" in told
    for remedy in ("max_size", "template_n_frames", "fp16", "bf16", "device cpu"):
        assert remedy in told


def test_other_errors_are_not_tried_again() -> None:
    card = Card(1, InputError("the picture is upside down"))
    with pytest.raises(InputError, match="upside down"):
        Batches(8)("decoding", card, 0, 8)
    assert card.calls == [(0, 8)]


def test_a_shortage_is_found_in_what_an_error_came_from() -> None:
    wrapped = ModelError("The network failed.")
    wrapped.__cause__ = RuntimeError("CUDA error: out of memory")
    assert is_out_of_memory(wrapped)
    assert not is_out_of_memory(ModelError(f"{Path('memory')} is missing"))
    assert not is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(OutOfMemory, match="for listening"), shortage_explained("listening"):
        raise wrapped
    with pytest.raises(KeyError), shortage_explained("listening"):
        raise KeyError("x")


def test_values_on_the_host_stay_what_they_are() -> None:
    values = torch.randn(3)
    assert on_host(values) is values
