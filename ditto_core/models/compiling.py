"""Two ways to spare a GPU the waiting for Python: compiled kernels, and CUDA graphs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import InputError

SHAPES_KEPT = 2
"""Recordings a network keeps: whole batches and the last one."""

WARM_UP = 3
"""Calls before a recording, in which libraries choose their kernels."""

_TORCH_MODES = {"default": "default", "max-autotune": "max-autotune-no-cudagraphs"}


def compiler_for(choice: str, device: torch.device) -> Callable[[nn.Module], Callable[..., Any]] | None:
    """What makes a network's faster call, None for `off`. Raises an `InputError` without a CUDA GPU."""
    if choice == "off":
        return None
    if device.type != "cuda":
        raise InputError(f"compile is for CUDA GPUs and the device is {device.type}; choose off.")
    if choice == "graphs":
        return GraphedNetwork
    return cast(Any, partial(torch.compile, mode=_TORCH_MODES[choice]))


@dataclass
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    outputs: Any


class GraphedNetwork:
    """Records a network's work on the GPU once for each shape of its inputs, and plays it from then on."""

    def __init__(self, network: Callable[..., Any]) -> None:
        self._network = network
        self._recordings: dict[tuple[Any, ...], _Recording] = {}
        self._lock = threading.Lock()

    def __call__(self, **inputs: Tensor) -> Any:
        key = tuple((name, value.shape, value.dtype) for name, value in inputs.items())
        with self._lock:  # a recording has one place for its inputs
            recording = self._recordings.get(key) or self._record(key, inputs)
            for name, value in inputs.items():
                recording.inputs[name].copy_(value)
            recording.graph.replay()
            return _copied(recording.outputs)

    def _record(self, key: tuple[Any, ...], inputs: dict[str, Tensor]) -> _Recording:
        while len(self._recordings) >= SHAPES_KEPT:
            del self._recordings[next(iter(self._recordings))]
        own = {name: value.clone() for name, value in inputs.items()}
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._network(**own)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on using the GPU meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            outputs = self._network(**own)
        recording = self._recordings[key] = _Recording(graph, own, outputs)
        return recording


def _copied(outputs: Any) -> Any:
    """The next call overwrites a recording's own outputs."""
    if isinstance(outputs, Tensor):
        return outputs.clone()
    return {name: value.clone() for name, value in outputs.items()}
