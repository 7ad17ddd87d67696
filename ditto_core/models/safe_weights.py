"""Weights of `.pth` files as `.safetensors` beside them: nothing to unpickle, and quicker to load."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open  # pyright: ignore[reportUnknownVariableType]
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from .replacing import replacing

_log = logging.getLogger(__name__)

_SIZE = "source_bytes"
"""What is noted in the file: how long the `.pth` was."""


def safe_path(path: Path) -> Path:
    """Where the weights of a `.pth` file are kept as `.safetensors`."""
    return path.with_suffix(".safetensors")


def write_safely(path: Path, weights: dict[str, Tensor]) -> Path:
    """Write the weights that were read from a `.pth` file beside it; gives the new file.

    Raises a `ModelError` when it cannot be written; nothing is left behind then.
    """
    target = safe_path(path)
    plain = {name: value.contiguous().clone() for name, value in weights.items()}  # it refuses shared memory
    with replacing(target) as unfinished:
        try:
            save_file(plain, unfinished, {_SIZE: str(path.stat().st_size), "format": "pt"})
            shutil.copymode(path, unfinished)  # it would be for its writer only
        except SafetensorError as error:  # it tells the system's error as text only
            raise OSError(str(error)) from error
    return target


def safe_form(path: Path) -> Path | None:
    """The `.safetensors` made from a `.pth` file; None without one, or when the `.pth` changed since."""
    target = safe_path(path)
    if not target.is_file():
        return None
    try:
        with cast(Any, safe_open)(target, framework="pt") as file:
            noted: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        _log.warning("%s is damaged (%s); %s is used instead. Convert it again.", target, error, path.name)
        return None
    now, then = path.stat(), target.stat()
    if noted.get(_SIZE) != str(now.st_size) or then.st_mtime_ns < now.st_mtime_ns:
        _log.warning("%s is not from %s as it is now, which is used instead.", target, path.name)
        return None
    return target
