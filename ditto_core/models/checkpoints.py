"""Loads PyTorch checkpoints: weights only, every name and shape checked, nothing else unpickled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeGuard, TypeVar, cast

import torch
from torch import Tensor, nn

from ..errors import ModelError

SHOWN = 3
"""Names listed of what does not fit."""

Module = TypeVar("Module", bound=nn.Module)


def read_weights(path: Path, part: str = "", prefix: str = "") -> dict[str, Tensor]:
    """The named tensors of a `.pth` file, on the CPU.

    part: the entry of the file that holds them, "" for the whole file. prefix: a text removed from the
    names. Raises `ModelError` for a file that is missing, damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise ModelError(f"The checkpoint {path.name} is missing from {path.parent}.")
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise
        raise ModelError(f"The checkpoint {path} {_why_unreadable(path)}") from error
    held = cast(dict[str, Any], loaded).get(part) if part and isinstance(loaded, dict) else loaded
    if not _holds_weights(held):
        where = f"no weights under {part!r}" if part else "no named weights"
        raise ModelError(f"The checkpoint {path} holds {where}; it is the file of something else.")
    return {name.replace(prefix, "") if prefix else name: value for name, value in held.items()}


def fill(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a network (on any device, also `meta`) the weights read from `path`; every one must fit.

    Raises `ModelError` that names what is missing, left over, or of another shape.
    """
    expected = network.state_dict()
    problems = {
        "missing": [name for name in expected if name not in weights],
        "unexpected": [name for name in weights if name not in expected],
        "of another shape": [
            name for name in expected if name in weights and weights[name].shape != expected[name].shape
        ],
    }
    told = [f"{len(names)} {what} ({_some(names)})" for what, names in problems.items() if names]
    if told:
        raise ModelError(
            f"The checkpoint {path} does not belong to the {type(network).__name__}: of its weights "
            f"{', '.join(told)}. Put the file of that name from the same release there."
        )
    typed = {name: value.to(expected[name].dtype) for name, value in weights.items()}
    network.load_state_dict(typed, strict=True, assign=True)


class TorchNetwork(Generic[Module]):
    """A network and its checkpoint. It loads on its first use and again after `release`."""

    def __init__(
        self,
        build: Callable[[], Module],
        path: Path,
        *,
        part: str = "",
        prefix: str = "",
        device: torch.device | None = None,
        finish: Callable[[Module], Module] | None = None,
    ) -> None:
        """build: makes the network, with any weights. part, prefix: as in `read_weights`.

        finish: gives what is used instead of the loaded network, for instance a faster form of it.
        """
        self.path = path
        self.device = device or torch.device("cpu")
        self._build = build
        self._part, self._prefix = part, prefix
        self._finish = finish
        self._module: Module | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def nbytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def module(self) -> Module:
        """The loaded network in evaluation mode."""
        with self._lock:
            if self._module is None:
                self._module = self._load()
            return self._module

    def release(self) -> None:
        with self._lock:
            self._module = None

    def _load(self) -> Module:
        weights = read_weights(self.path, self._part, self._prefix)
        with torch.device("meta"):  # no time spent on weights that are replaced at once
            network = self._build()
        fill(network, weights, self.path)
        used = network.eval() if self._finish is None else self._finish(network.eval())
        return used.requires_grad_(False).to(self.device)


def _holds_weights(held: Any) -> TypeGuard[dict[str, Tensor]]:
    if not isinstance(held, dict) or not held:
        return False
    entries = cast(dict[Any, Any], held).items()
    return all(isinstance(name, str) and isinstance(value, Tensor) for name, value in entries)


def _why_unreadable(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        return "is only a Git LFS pointer. Fetch the file itself, with `git lfs pull`."
    size = path.stat().st_size
    return f"({size} bytes) is damaged, incomplete, or holds more than weights. Download it again."


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
