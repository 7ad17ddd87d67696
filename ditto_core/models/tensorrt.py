"""A network in a TensorRT engine, on tensors that lie on the GPU: nothing passes through main memory."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelError
from ..host import Host
from .inventory import remedy
from .runners import InFile, in_batches_of
from .tensorrt_build import HOW_TO_BUILD, refresh_engine
from .tensorrt_files import import_tensorrt

_DTYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
    "BOOL": torch.bool,
}
"""TensorRT's types by the names of its `DataType`."""


@dataclass(frozen=True)
class _Loaded:
    """A deserialised engine, its inputs and outputs with their types, and how many items it takes."""

    engine: Any
    context: Any
    inputs: dict[str, torch.dtype]
    outputs: dict[str, torch.dtype]
    least: int
    most: int


class TensorRTRunner(InFile):
    """A `Runner` of a TensorRT engine.

    source: the ONNX file it is built from, to build it again when it does not fit this machine; without, that
    is an error. An engine without a record (the published ones) is tried as it is.
    """

    def __init__(self, path: Path, device: torch.device, *, source: Path | None = None) -> None:
        self.path = path
        self.device = device
        self._source = source
        self._loaded: _Loaded | None = None
        self._lock = threading.RLock()

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self._load().inputs)

    @property
    def takes_batches(self) -> bool:
        return self._load().most > 1

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        with self._lock:  # a context serves one call at a time
            loaded = self._load()
            if inputs.keys() != loaded.inputs.keys():
                raise ModelError(
                    f"The engine {self.path} takes {', '.join(loaded.inputs)} instead of "
                    f"{', '.join(inputs)}: it is the file of another network. {remedy(self.path)}"
                )
            feed = {
                name: value.to(self.device, loaded.inputs[name]).contiguous()
                for name, value in inputs.items()
            }
            count = len(next(iter(feed.values())))
            if loaded.least <= count <= loaded.most:
                return self._run(loaded, feed)
            return in_batches_of(
                loaded.most if count > loaded.most else loaded.least,
                lambda part: self._run(loaded, part),
                feed,
            )

    def prepare(self, host: Host) -> None:
        """Build the engine now if it is missing or does not fit; the host shows the progress and may stop it.

        Without this call the first use builds it, which only the log tells.
        """
        with self._lock:
            if self._loaded is None:
                refresh_engine(self.path, self._source, self.device, host)

    def release(self) -> None:
        with self._lock:
            self._loaded = None

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                refresh_engine(self.path, self._source, self.device, Host())
                with _on(self.device):
                    self._loaded = _open(self.path)
            return self._loaded

    def _run(self, loaded: _Loaded, feed: dict[str, Tensor]) -> dict[str, Tensor]:
        context = loaded.context
        with _on(self.device) as stream:
            for name, value in feed.items():
                if not context.set_input_shape(name, tuple(value.shape)):
                    raise ModelError(f"The engine {self.path} does not take {name} of {tuple(value.shape)}.")
                context.set_tensor_address(name, value.data_ptr())
            outputs: dict[str, Tensor] = {}
            for name, dtype in loaded.outputs.items():
                shape = tuple(context.get_tensor_shape(name))
                outputs[name] = torch.empty(shape, dtype=dtype, device=self.device)
                context.set_tensor_address(name, outputs[name].data_ptr())
            # Inputs may be freed while the GPU still works: memory is given out again in the stream's order.
            if not context.execute_async_v3(stream):
                raise ModelError(f"The engine {self.path} failed; the log says why. {_MEMORY}")
        return {name: value.float() for name, value in outputs.items()}


_MEMORY = "If the GPU's memory was short, render smaller batches or close other programs."


@contextmanager
def _on(device: torch.device) -> Generator[int]:
    """Makes a GPU the current one; gives the handle of PyTorch's stream on it."""
    with torch.cuda.device(device):
        yield torch.cuda.current_stream(device).cuda_stream


def _open(path: Path) -> _Loaded:
    trt = import_tensorrt()
    engine = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise ModelError(
            f"The engine {path} cannot be opened by TensorRT {trt.__version__} on this GPU: it is damaged, "
            f"or was built by another version or for another GPU. {HOW_TO_BUILD}"
        )
    context = engine.create_execution_context()
    if context is None:
        raise ModelError(f"The engine {path} does not get the GPU memory it needs. {_MEMORY}")
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    types = {name: _DTYPES[engine.get_tensor_dtype(name).name] for name in names}
    read = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
    sizes = [engine.get_tensor_profile_shape(name, 0) for name in names if name in read]
    return _Loaded(
        engine,
        context,
        {name: types[name] for name in names if name in read},
        {name: types[name] for name in names if name not in read},
        least=max(least[0] for least, _, _ in sizes),
        most=min(most[0] for _, _, most in sizes),
    )
