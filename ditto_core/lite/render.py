"""Turns poses into pictures: backward maps of the whole region, then lips and lids with more samples."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Keypoints
from ..sequences import GatheredSequence
from .avatar import LiteAvatar
from .detail import refine_eyes, refine_lips
from .posing import Pose, poses
from .warp import WarpMesh, Window, remap

Picture = NDArray[np.uint8]


class Renderer:
    """Computes the batches of the warp and decode stages for some keypoints."""

    def __init__(self, keypoints: Keypoints) -> None:
        self.keypoints = keypoints
        self.avatar = cast(LiteAvatar, keypoints.avatar)
        self.mesh = WarpMesh()
        self.originals = GatheredSequence(self.avatar.frames, keypoints.source_index)

    def displacements(self, start: int, stop: int) -> Tensor:
        """Backward maps (stop - start, rows, columns, 2) float32 of the rendered region.

        Each sample says how far away, in pixels across and down, the source shows its colour.
        """
        windows = self._windows(start, stop)
        poses = self._poses(start, stop)
        maps = [self.mesh.displacement(w, p.source, p.target) for w, p in zip(windows, poses, strict=True)]
        return torch.from_numpy(np.stack(maps))

    def pictures(self, displacements: Tensor, start: int) -> Tensor:
        """The rendered regions RGB uint8 (B, height, width, 3) of frames from `start` on."""
        stop = start + len(displacements)
        frames = zip(
            self.originals[start:stop].numpy(),
            self._windows(start, stop),
            displacements.numpy(),
            self._poses(start, stop),
            strict=True,
        )
        return torch.from_numpy(np.stack([self._picture(*frame) for frame in frames]))

    def _picture(
        self, original: Picture, window: Window, displacement: NDArray[np.float32], pose: Pose
    ) -> Picture:
        full = window.at_full_size()
        size = (full.columns, full.rows)
        face = remap(original, full, cv2.resize(displacement, size))
        refine_eyes(face, full, original, self.mesh, pose, self.avatar.lids)
        refine_lips(face, full, original, self.mesh, pose, self.avatar.mouth)
        return face

    def _windows(self, start: int, stop: int) -> list[Window]:
        return [self.avatar.window(index) for index in self.keypoints.source_index[start:stop].tolist()]

    def _poses(self, start: int, stop: int) -> list[Pose]:
        return poses(self.keypoints, self.avatar, start, stop)
