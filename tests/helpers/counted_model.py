"""A model for ComfyUI's memory management, as far as that looks at it."""

from __future__ import annotations

import torch


class CountedModel:
    name = "model"
    nbytes = 1000
    device = torch.device("cpu")
    released = 0

    def release(self) -> None:
        self.released += 1
