"""Runners: one call for a network, whatever executes it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ..errors import ModelError
from .inventory import remedy
from .onnx_file import as_it_is
from .providers import CPU_PROVIDER, DIRECTML_PROVIDER, Provider

_log = logging.getLogger(__name__)

_DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(int64)": torch.int64,
    "tensor(int32)": torch.int32,
    "tensor(bool)": torch.bool,
}
_NUMPY = {
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.float64: np.float64,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.bool: np.bool_,
}


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
    def device(self) -> torch.device: ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs, in its own order."""
        ...

    @property
    def takes_batches(self) -> bool:
        """Whether one run of the network takes several items, and gives each its own place in all outputs."""
        ...

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]: ...

    def release(self) -> None: ...


class InFile:
    """A network in a file: its name, and its size until something better is known."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def nbytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0


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


class OnnxRunner(InFile):
    """A network in an ONNX file, on the CPU or where one of ONNX Runtime's providers runs it."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        device: torch.device | None = None,
        providers: Sequence[Provider] = (),
        content: Callable[[Path], str | bytes] = as_it_is,
    ) -> None:
        """providers: what executes it, best first, before the CPU. content: what ONNX Runtime is to open: the
        path, or the network itself when the file is not used as it is."""
        self.path = path
        self.threads = threads
        self.device = device or torch.device("cpu")
        self._providers = (*providers, CPU_PROVIDER)
        self._content = content
        self._session: Any = None  # onnxruntime carries no types
        self._lock = threading.Lock()
        # A session on DirectML must not be run by two threads at once.
        self._turn = threading.Lock() if DIRECTML_PROVIDER in providers else nullcontext()

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(wanted.name for wanted in self._load().get_inputs())

    @property
    def takes_batches(self) -> bool:
        session = self._load()
        # Only the same name says that it is the same axis: the first one of an output may be time.
        first = {(each.shape or [None])[0] for each in (*session.get_inputs(), *session.get_outputs())}
        return len(first) == 1 and isinstance(first.pop(), str)

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        session = self._load()
        wanted = {each.name: each for each in session.get_inputs()}
        if inputs.keys() != wanted.keys():
            raise ModelError(
                f"The network in {self.path} takes {', '.join(wanted)} instead of {', '.join(inputs)}: it is "
                f"the file of another network. {remedy(self.path)}"
            )
        feed = {name: value.to(_DTYPES[wanted[name].type]) for name, value in inputs.items()}
        fixed = {each.shape[0] for each in wanted.values() if each.shape}
        count = fixed.pop() if len(fixed) == 1 else None
        if isinstance(count, int) and {len(value) for value in feed.values()} != {count}:
            return in_batches_of(count, lambda part: self._run(session, part), feed)
        return self._run(session, feed)

    def release(self) -> None:
        with self._lock:
            self._session = None

    def _run(self, session: Any, feed: dict[str, Tensor]) -> dict[str, Tensor]:
        try:
            with self._turn:
                if self.device.type == "cuda":
                    return run_bound(session, feed, self.device)
                return _run_on_host(session, feed)
        except Exception as error:  # onnxruntime raises its own classes, all plain Exceptions
            raise ModelError(f"The network in {self.path} failed: {error}") from error

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _open(self) -> Any:
        options = cast(Any, onnxruntime).SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                self._content(self.path), options, providers=list(self._providers)
            )
        except ModelError:
            raise
        except Exception as error:  # onnxruntime raises its own classes, all plain Exceptions
            raise ModelError(
                f"The model file {self.path} cannot be loaded: {error}. {remedy(self.path)}"
            ) from error
        running = list(session.get_providers())
        _log.info("%s runs on %s", self.path.name, ", ".join(running))
        if running == [CPU_PROVIDER] and self.device.type != "cpu":
            _log.warning("%s runs on the CPU: ONNX Runtime could not use the GPU.", self.path.name)
            self.device = torch.device("cpu")
        return session


def _run_on_host(session: Any, feed: dict[str, Tensor]) -> dict[str, Tensor]:
    names: list[str] = [output.name for output in session.get_outputs()]
    arrays = {name: np.ascontiguousarray(value.cpu().numpy()) for name, value in feed.items()}
    results: list[Any] = session.run(names, arrays)
    return {name: as_float32(torch.from_numpy(value)) for name, value in zip(names, results, strict=True)}


def run_bound(session: Any, feed: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Run on tensors where they lie, without a way through main memory.

    Outputs whose shape the file does not say go that way all the same.
    """
    place = (device.type, device.index or 0)
    binding = session.io_binding()
    given = {name: value.to(device).contiguous() for name, value in feed.items()}
    for name, value in given.items():
        binding.bind_input(name, *place, _NUMPY[value.dtype], tuple(value.shape), value.data_ptr())
    outputs: dict[str, Tensor | None] = {}
    for output in session.get_outputs():
        shape = _known_shape(output, session.get_inputs(), feed)
        if shape is None:
            outputs[output.name] = None
            binding.bind_output(output.name, "cpu")
        else:
            buffer = torch.empty(shape, dtype=_DTYPES[output.type], device=device)
            outputs[output.name] = buffer
            binding.bind_output(output.name, *place, _NUMPY[buffer.dtype], shape, buffer.data_ptr())
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()  # the provider works on a stream of its own
    session.run_with_iobinding(binding)
    values = zip(outputs.items(), binding.get_outputs(), strict=True)
    return {
        name: as_float32(torch.from_numpy(value.numpy()).to(device) if buffer is None else buffer)
        for (name, buffer), value in values
    }


def _known_shape(output: Any, declared: list[Any], feed: dict[str, Tensor]) -> tuple[int, ...] | None:
    """The output's shape; named axes are as long as the inputs' of that name."""
    lengths = {
        axis: length
        for wanted in declared
        for axis, length in zip(wanted.shape, feed[wanted.name].shape, strict=True)
        if isinstance(axis, str)
    }
    shape = [lengths.get(axis) if isinstance(axis, str) else axis for axis in output.shape]
    return None if None in shape else tuple(cast(list[int], shape))


def as_float32(value: Tensor) -> Tensor:
    """Half precision stays inside the networks."""
    return value.float() if value.is_floating_point() else value
