"""What Ditto knows about a person, and the feature volumes of the source frames, computed when asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import Avatar
from ..sequences import LazySequence
from .condition import Character, EyeAttributes
from .draw import FPS
from .motion import FaceInfo

KEPT_VOLUMES = 8
"""A volume has 8 MiB."""


class AppearanceVolumes:
    """Feature volumes of source frames. The newest few are kept, however long the source is."""

    def __init__(
        self, crops: LazySequence, extract: Callable[[Tensor], Tensor], kept: int = KEPT_VOLUMES
    ) -> None:
        """crops: RGB uint8 (S, side, side, 3); extract: some of them to their volumes."""
        self.crops = crops
        self.extract = extract
        self.kept = kept
        self._volumes: OrderedDict[int, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, index: Tensor) -> Tensor:
        """The volumes (n, 32, 16, h, w) of source frames (n,)."""
        with self._lock:
            wanted = [int(frame) for frame in index]
            new = [frame for frame in dict.fromkeys(wanted) if frame not in self._volumes]
            if new:
                computed = self.extract(torch.stack([self.crops[frame] for frame in new]))
                self._volumes.update(zip(new, computed, strict=True))
            volumes = torch.stack([self._volumes[frame] for frame in wanted])
            for frame in wanted:
                self._volumes.move_to_end(frame)
            while len(self._volumes) > self.kept:
                self._volumes.popitem(last=False)
            return volumes


@dataclass(frozen=True, eq=False)
class DittoAvatar(Avatar):
    """A person registered with Ditto, S source frames.

    face: motion and shape of each frame, smoothed over a video's frames. rest: what driven motion is put on;
    `face`, or with the mouth of a video's neutral frames. shape: (63,) canonical keypoints of the first
    frame. eyes: of each frame. appearance: the frames' feature volumes. absent: frames in which the person is
    not to be seen, which stay as they are.
    """

    face: FaceInfo
    rest: FaceInfo
    shape: Tensor
    eyes: EyeAttributes
    appearance: AppearanceVolumes
    absent: frozenset[int] = frozenset()

    @property
    def character(self) -> Character:
        """The person as the one that motion is drawn for."""
        return Character(self.shape, self.eyes, self.face.take(slice(0, 1)), self.rate_for(FPS))
