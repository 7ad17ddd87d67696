"""Devices and precisions are chosen sensibly, or refused with what to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from ditto_core.errors import InputError
from ditto_core.models.compiling import SHAPES_KEPT, WARM_UP, GraphedNetwork, compiler_for
from ditto_core.models.execution import choose_dtype, open_device

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
PASCAL, TURING, AMPERE, BLACKWELL = (6, 1), (7, 5), (8, 6), (12, 0)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int]], None]:
    """Pretends that there is one GPU of a compute capability."""

    def put_in(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Some GPU")

    return put_in


@pytest.mark.parametrize(
    ("capability", "precision", "dtype"),
    [
        (PASCAL, "auto", torch.float32),
        (TURING, "auto", torch.float16),
        (AMPERE, "auto", torch.float16),
        (BLACKWELL, "auto", torch.float16),
        (PASCAL, "fp16", torch.float16),
        (AMPERE, "bf16", torch.bfloat16),
        (BLACKWELL, "fp32", torch.float32),
    ],
)
def test_the_precision_of_a_gpu(
    capability: tuple[int, int], precision: str, dtype: torch.dtype, card: Callable[..., None]
) -> None:
    card(capability)
    assert choose_dtype(precision, CUDA) == dtype


def test_turing_has_no_bf16(card: Callable[..., None]) -> None:
    card(TURING)
    with pytest.raises(InputError, match=r"Some GPU does not compute in bf16.*auto or fp16"):
        choose_dtype("bf16", CUDA)


def test_the_precision_elsewhere() -> None:
    assert choose_dtype("auto", CPU) == torch.float32
    assert choose_dtype("bf16", CPU) == torch.bfloat16
    assert choose_dtype("auto", MPS) == torch.float32
    with pytest.raises(InputError, match="on the CPU choose fp32, or bf16"):
        choose_dtype("fp16", CPU)
    with pytest.raises(InputError, match="fp16 is not available on mps"):
        choose_dtype("fp16", MPS)


def test_the_device_by_name(card: Callable[..., None]) -> None:
    assert open_device("cpu") == CPU
    card(AMPERE)
    assert open_device("auto") == CUDA
    assert open_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InputError, match="there are 1 GPUs"):
        open_device("cuda:1")


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert open_device("auto") == CPU
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InputError, match=r"cuda was asked for, but this PyTorch was built without CUDA"):
        open_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(InputError, match="no NVIDIA GPU or driver"):
        open_device("cuda:0")
    with pytest.raises(InputError, match="no Apple GPU"):
        open_device("mps")
    with pytest.raises(InputError, match="no device 'gpu'"):
        open_device("gpu")
    with pytest.raises(InputError, match="meta is not supported"):
        open_device("meta")


def test_compiling_is_for_gpus() -> None:
    assert compiler_for("off", CPU) is None
    assert compiler_for("graphs", CUDA) is GraphedNetwork
    with pytest.raises(InputError, match="choose off"):
        compiler_for("default", CPU)


@pytest.mark.parametrize(
    ("choice", "mode"), [("default", "default"), ("max-autotune", "max-autotune-no-cudagraphs")]
)
def test_compiling_passes_the_mode(choice: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: asked.append(options) or network)
    compiler = compiler_for(choice, CUDA)
    assert compiler is not None
    compiler(torch.nn.Identity())
    assert asked == [{"mode": mode}]


class FakeGraph:
    """Stands in for a CUDA graph: it plays what ran while it was recorded, on the tensors it ran on."""

    recording: FakeGraph | None = None

    def __init__(self) -> None:
        self.work: Callable[[], object] = lambda: None

    def replay(self) -> None:
        self.work()


class FakeRecording:
    def __init__(self, graph: FakeGraph, capture_error_mode: str) -> None:
        assert capture_error_mode == "thread_local"
        self.graph = graph

    def __enter__(self) -> None:
        FakeGraph.recording = self.graph

    def __exit__(self, *_: object) -> None:
        FakeGraph.recording = None


class FakeStream:
    def wait_stream(self, _other: object) -> None: ...


def test_a_recorded_network_gives_what_it_gives_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, fake in {
        "CUDAGraph": FakeGraph,
        "graph": FakeRecording,
        "Stream": FakeStream,
        "current_stream": FakeStream,
        "stream": lambda _stream: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    calls: list[int] = []

    def network(x: Tensor) -> Tensor:
        calls.append(len(x))
        result = 2 * x
        if FakeGraph.recording is not None:
            FakeGraph.recording.work = partial(torch.mul, x, 2, out=result)
        return result

    graphed = GraphedNetwork(network)
    first = graphed(x=torch.ones(2, 3))
    second = graphed(x=torch.full((2, 3), 5.0))
    assert torch.equal(first, torch.full((2, 3), 2.0))  # not overwritten by the second call
    assert torch.equal(second, torch.full((2, 3), 10.0))
    assert calls == [2] * (WARM_UP + 1)  # recorded once

    for count in range(3, 4 + SHAPES_KEPT):
        assert torch.equal(graphed(x=torch.ones(count, 3)), torch.full((count, 3), 2.0))
    assert len(graphed._recordings) == SHAPES_KEPT
