"""Loads PyTorch checkpoints: weights only, every name and shape checked, nothing else unpickled."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from ..errors import ModelError
from ..sizes import exact_size
from .file_kinds import POINTER, wrong_kind
from .inventory import check_readable, remedy
from .safe_weights import safe_form

SHOWN = 3
"""Names listed of what does not fit."""


def read_weights(path: Path, part: str = "", prefix: str = "") -> dict[str, Tensor]:
    """The named tensors of a `.pth` or `.safetensors` file, on the CPU.

    part: the entry of a `.pth` file that holds them, "" for the whole file. prefix: a text removed from the
    names. A `.safetensors` file made from it is read instead; it holds these weights and nothing else. Raises
    `ModelError` for a file that is missing, damaged, or holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        part = prefix = ""
    elif (converted := safe_form(path)) is not None:
        return read_checkpoint(converted)
    loaded = read_checkpoint(path)
    held = cast(dict[str, Any], loaded).get(part) if part and isinstance(loaded, dict) else loaded
    if not holds_weights(held):
        where = f"no weights under {part!r}" if part else "no named weights"
        raise ModelError(
            f"The checkpoint {path} holds {where}; it is the file of something else. {remedy(path)}"
        )
    return {name.replace(prefix, "") if prefix else name: value for name, value in held.items()}


def read_checkpoint(path: Path) -> Any:
    """What a `.pth` or a `.safetensors` file holds, on the CPU: tensors, numbers and texts in plain
    containers.

    Raises `ModelError` for a file that is missing, damaged, or holds anything else.
    """
    check_readable(path, "checkpoint")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the protocol of a pickle says nothing to a user
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise whatever their readers raise
        raise ModelError(f"The checkpoint {path} {_why_unreadable(path)}") from error


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
            f"{', '.join(told)}. {remedy(path)}"
        )
    typed = {name: value.to(expected[name].dtype) for name, value in weights.items()}
    network.load_state_dict(typed, strict=True, assign=True)


def holds_weights(held: Any) -> TypeGuard[dict[str, Tensor]]:
    """Whether this is a dictionary of named tensors."""
    if not isinstance(held, dict) or not held:
        return False
    entries = cast(dict[Any, Any], held).items()
    return all(isinstance(name, str) and isinstance(value, Tensor) for name, value in entries)


def _why_unreadable(path: Path) -> str:
    size, kind = path.stat().st_size, wrong_kind(path)
    if kind == POINTER:
        return f"is only {POINTER}. Fetch the file itself, with `git lfs pull`."
    if kind:
        return f"({exact_size(size)}) is {kind}, no PyTorch checkpoint. {remedy(path)}"
    return f"({exact_size(size)}) is damaged, incomplete, or holds more than weights. {remedy(path)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
