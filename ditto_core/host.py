"""What the pack asks of the program around it: progress, interruption, device, folders, memory.

Everything has a plain default, so `Host()` is all a script needs. ComfyUI's adapter lives in `nodes/`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch


class Releasable(Protocol):
    """A loaded model that can give its memory back and load itself again on its next use."""

    @property
    def name(self) -> str: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def release(self) -> None: ...


def comfyui_folder() -> Path | None:
    """The ComfyUI this copy of the pack is installed in, if any."""
    pack = Path(__file__).absolute().parent.parent  # not resolved: it may be linked into ComfyUI
    return pack.parent.parent if pack.parent.name == "custom_nodes" else None


_log = logging.getLogger(__name__)


class Host:
    """Default host: no progress, notices in the log as warnings, never interrupted, on the CPU.

    Models lie under `DITTO_MODELS`, else in `models/ditto` of the ComfyUI around the pack, or of the current
    folder; shared ones in its `models`.
    """

    device: torch.device = torch.device("cpu")

    def progress(self, stage: str, done: int, total: int, preview: torch.Tensor | None = None) -> None:
        """Report that `done` of `total` units of `stage` are finished.

        `preview` is the newest picture, uint8 (H, W, 3) RGB. Called once per batch. A host may raise
        from here to interrupt.
        """

    def check_interrupted(self) -> None:
        """Raise when the user asked to stop. Called at least once per batch."""

    def steps(self, stage: str) -> Callable[[int, int], None]:
        """What is called with `done` and `total` of a stage: it reports them, or raises as asked to stop."""

        def step(done: int, total: int) -> None:
            self.check_interrupted()
            self.progress(stage, done, total)

        return step

    def notice(self, message: str) -> None:
        """Tell the user something he should see that is no error."""
        _log.warning(message)

    def model_folders(self) -> list[Path]:
        """Folders searched for checkpoints, best first."""
        if chosen := os.environ.get("DITTO_MODELS"):
            return [Path(chosen)]
        return [(comfyui_folder() or Path()) / "models" / "ditto"]

    def shared_folders(self, kind: str) -> list[Path]:
        """Folders of models that other programs use too, such as `upscale_models`, best first."""
        return [(comfyui_folder() or Path()) / "models" / kind]

    def manage(self, model: Releasable) -> None:
        """Hand a loaded model to the host, which may call its `release` when memory is short."""
