"""Runs a PyTorch network with the weights of its checkpoint."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from .checkpoints import fill, read_weights
from .runners import InFile, as_float32

Module = TypeVar("Module", bound=nn.Module)


class TorchRunner(InFile, Generic[Module]):
    """A network and its checkpoint. It loads on its first use and again after `release`."""

    def __init__(
        self,
        build: Callable[[], Module],
        path: Path,
        *,
        part: str = "",
        prefix: str = "",
        device: torch.device | None = None,
        output: str = "out",
        finish: Callable[[Module], Module] | None = None,
        autocast: torch.dtype | None = None,
        compile: Callable[[nn.Module], Callable[..., Any]] | None = None,
    ) -> None:
        """build: makes the network, with any weights. part, prefix: as in `read_weights`.

        output: the name of what the network gives, unless it gives a dict. finish: gives what is used instead
        of the loaded network, for instance a faster form of it. autocast: what it computes in where PyTorch
        deems that safe. compile: gives what is called instead of the network.
        """
        self.path = path
        self.device = device or torch.device("cpu")
        self._build = build
        self._part, self._prefix = part, prefix
        self._output = output
        self._finish = finish
        self._autocast = autocast
        self._compile = compile
        self._module: Module | None = None
        self._compiled: Callable[..., Any] | None = None
        self._held = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        return self._held or super().nbytes

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.module.forward).parameters)

    @property
    def takes_batches(self) -> bool:
        return True

    @property
    def module(self) -> Module:
        """The loaded network in evaluation mode."""
        return self._loaded()[0]

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        _, call = self._loaded()
        given = {name: value.to(self.device) for name, value in inputs.items()}
        half = self._autocast is not None
        # Each weight is used once a call: remembering its half form would only hold memory.
        casting = torch.autocast(self.device.type, self._autocast, enabled=half, cache_enabled=False)
        with torch.inference_mode(), casting:
            result: Any = call(**given)
        named = cast(dict[str, Tensor], result if isinstance(result, dict) else {self._output: result})
        return {name: as_float32(value) for name, value in named.items()}

    def release(self) -> None:
        with self._lock:
            self._module = self._compiled = None

    def _loaded(self) -> tuple[Module, Callable[..., Any]]:
        with self._lock:
            if self._module is None or self._compiled is None:
                self._module = self._load()
                self._compiled = self._module if self._compile is None else self._compile(self._module)
                tensors = (*self._module.parameters(), *self._module.buffers())
                self._held = sum(tensor.nbytes for tensor in tensors)
            return self._module, self._compiled

    def _load(self) -> Module:
        weights = read_weights(self.path, self._part, self._prefix)
        with torch.device("meta"):  # no time spent on weights that are replaced at once
            network = self._build()
        fill(network, weights, self.path)
        used = network.eval() if self._finish is None else self._finish(network.eval())
        return used.requires_grad_(False).to(self.device)
