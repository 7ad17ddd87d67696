"""Hosts that remember what they were told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ditto_core.errors import Interrupted
from ditto_core.host import Host


class Told(Host):
    """Remembers notices, stages and models, and may be interrupted."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.stages: list[str] = []
        self.managed: list[str] = []
        self.interrupted = False

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def progress(self, stage: str, done: int, total: int, preview: Tensor | None = None) -> None:
        self.stages.append(stage)

    def manage(self, model: Any) -> None:
        self.managed.append(model.name)

    def check_interrupted(self) -> None:
        if self.interrupted:
            raise Interrupted("stopped")


class FolderHost(Told):
    """Looks for models in one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def model_folders(self) -> list[Path]:
        return [self.folder]
