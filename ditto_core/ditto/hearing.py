"""HuBERT on several chunks of speech: in one call when its file takes batches, otherwise side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import torch
from torch import Tensor

from ..errors import ModelError
from ..models.inventory import remedy
from ..models.memory import Batches
from .runners import DittoNetworks
from .speech import row_count

WIDTH = 1024

TOGETHER = 4
"""Chunks in one call. On a CPU, eight take as long each."""

SIDE_BY_SIDE = 2
"""Chunks in flight when each needs its own call: one uses the processor where the other waits."""


class SpeechEncoder:
    """Samples (B, T) at 16 kHz to features (B, rows, 1024); several threads may call it."""

    def __init__(self, networks: DittoNetworks) -> None:
        self._networks = networks

    @cached_property
    def batches(self) -> Batches:
        """How many chunks of a recording are worth giving at once."""
        return Batches(TOGETHER if self._networks.runners["hubert"].takes_batches else SIDE_BY_SIDE)

    def __call__(self, samples: Tensor) -> Tensor:
        """Raises a `ModelError` when the network gives something else."""
        if len(samples) == 1 or self._networks.runners["hubert"].takes_batches:
            return self._run(samples)
        with ThreadPoolExecutor(SIDE_BY_SIDE, "ditto-hear") as threads:
            return torch.cat(list(threads.map(self._run, samples[:, None].unbind())))

    def _run(self, samples: Tensor) -> Tensor:
        hubert = self._networks.runners["hubert"]
        (features, *_) = hubert(**{hubert.inputs[0]: samples}).values()
        wanted = (row_count(samples.shape[1]), WIDTH)
        # Files whose batch is always one give its rows alone.
        given = features[None] if features.ndim == 2 else features
        if given.shape != (len(samples), *wanted):
            raise ModelError(
                f"{self._networks.files['hubert']} gives features {tuple(features.shape)} for "
                f"{samples.shape[1]} samples; it is not Ditto's HuBERT. "
                f"{remedy(self._networks.files['hubert'])}"
            )
        return given.cpu()
