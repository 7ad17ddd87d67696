"""Runners: one call for a network, whatever executes it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ..errors import ModelError


class Runner(Protocol):
    """A network behind one call: named tensors in, named tensors out."""

    @property
    def name(self) -> str: ...

    @property
    def nbytes(self) -> int: ...

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]: ...

    def release(self) -> None: ...


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
