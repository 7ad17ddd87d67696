"""Recorded inputs and outputs of the published systems, and how closely ours must meet them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
from safetensors import safe_open
from torch import Tensor

FOLDER = Path(__file__).parent.parent / "golden"


class Golden(dict[str, Tensor]):
    """The tensors of one recorded file, with its metadata; pictures may be stored as uint8."""

    def __init__(self, path: str) -> None:
        with safe_open(FOLDER / f"{path}.safetensors", "pt") as file:
            super().__init__({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            self.metadata: dict[str, str] = file.metadata()

    def info(self, key: str) -> Any:
        """A JSON value of the metadata, such as the recorded cases."""
        return json.loads(self.metadata[key])

    def warped(self, name: str) -> Tensor:
        """An output that depends on image warping, as the installed OpenCV makes it."""
        older = f"out_cv4.{name}"
        return self[older] if cv2.__version__.startswith("4.") and older in self else self[f"out.{name}"]


def table(path: str) -> Any:
    """A recorded JSON table."""
    return json.loads((FOLDER / f"{path}.json").read_text())


def assert_relative(ours: Tensor, recorded: Tensor, tolerance: float = 1e-5) -> None:
    """Same shape and type, and no value off by more than `tolerance` of the largest recorded one."""
    assert ours.shape == recorded.shape
    assert ours.dtype == recorded.dtype
    assert (ours - recorded).abs().max() <= tolerance * recorded.abs().max()


def assert_within(ours: Tensor, recorded: Tensor, tolerance: float) -> None:
    """Same shape, and no value off by more than `tolerance`."""
    assert ours.shape == recorded.shape
    assert (ours.double() - recorded.double()).abs().max().item() <= tolerance


def assert_picture(ours: Tensor, recorded: Tensor, levels: int = 1) -> None:
    """Same shape, and no value off by more than `levels` of 255.

    OpenCV 4 samples at 1/32 pixel: where a position lies half way between two steps, the last digit of a
    matrix decides, so there one value in 200 may be off by more.
    """
    assert ours.shape == recorded.shape
    off = (ours.double() - recorded.double()).abs() > levels
    allowed = off.numel() // 200 if cv2.__version__.startswith("4.") else 0
    assert off.sum().item() <= allowed
