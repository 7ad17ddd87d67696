"""Runners: one call for a network, whatever executes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ..errors import ModelError


class Runner(Protocol):
    """A network behind one call: named tensors in, named tensors out.

    Inputs may lie on any device; outputs are float32, in the network's order, on the runner's device.
    Any number of items may be given at once. The network loads on its first call and again after `release`;
    several threads may call it. Raises a `ModelError` that names the file when it cannot be used.
    """

    @property
    def name(self) -> str: ...

    @property
    def nbytes(self) -> int:
        """Bytes it holds when it is loaded, estimated before that."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs, in its own order."""
        ...

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]: ...

    def release(self) -> None: ...


def in_batches_of(
    count: int, run: Callable[[dict[str, Tensor]], dict[str, Tensor]], inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """What `run` gives for any number of items, for a network that takes exactly `count` at once.

    The last item fills up what is missing to a whole batch.
    """
    total = len(next(iter(inputs.values())))
    parts: list[dict[str, Tensor]] = []
    for start in range(0, total, count):
        index = torch.arange(start, start + count).clamp(max=total - 1)
        parts.append(run({name: value[index.to(value.device)] for name, value in inputs.items()}))
    if len(parts) == 1 and total == count:
        return parts[0]
    return {name: torch.cat([part[name] for part in parts])[:total] for name in parts[0]}


class OnnxRunner:
    """A network in an ONNX file, on the CPU. It loads on its first call and again after `release`."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path = path
        self.threads = threads
        self._session: Any = None  # onnxruntime carries no types
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def nbytes(self) -> int:
        return self.path.stat().st_size

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs, in the file's order."""
        return tuple(wanted.name for wanted in self._load().get_inputs())

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """The outputs in the file's order."""
        session = self._load()
        feed = {name: np.ascontiguousarray(value.numpy()) for name, value in inputs.items()}
        names: list[str] = [output.name for output in session.get_outputs()]
        try:
            results: list[Any] = session.run(names, feed)
        except Exception as error:  # onnxruntime raises its own classes, all plain Exceptions
            raise ModelError(f"The network in {self.path} failed: {error}") from error
        return {name: torch.from_numpy(np.asarray(value)) for name, value in zip(names, results, strict=True)}

    def release(self) -> None:
        with self._lock:
            self._session = None

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _open_session(self.path, self.threads)
            return self._session


def _open_session(path: Path, threads: int) -> Any:
    if not path.is_file():
        raise ModelError(f"The model file {path.name} is missing from {path.parent}.")
    options = cast(Any, onnxruntime).SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own classes, all plain Exceptions
        raise ModelError(f"The model file {path} cannot be loaded: {error}") from error
