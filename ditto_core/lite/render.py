"""Turns poses into pictures: backward maps of the whole region, then lips and lids with more samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import repeat
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from ..data import FeatureVolumes, Keypoints
from ..face.region import Picture
from ..sequences import GatheredSequence
from .avatar import LiteAvatar
from .detail import refine_eyes, refine_lips
from .geometry import Floats
from .posing import Pose, poses
from .sampling import HalfPixels
from .warp import WarpMesh, Window


class Renderer:
    """Computes the batches of the warp and decode stages for some keypoints."""

    def __init__(self, keypoints: Keypoints) -> None:
        self.keypoints = keypoints
        self.avatar = cast(LiteAvatar, keypoints.avatar)
        # Both stages want the poses of a batch, one right after the other.
        self._poses = lru_cache(maxsize=1)(partial(poses, keypoints, self.avatar))
        self.mesh = WarpMesh()
        self.originals = GatheredSequence(self.avatar.frames, keypoints.source_index)

    def displacements(self, start: int, stop: int) -> Tensor:
        """Backward maps (stop - start, rows, columns, 2) float32 of the rendered region.

        Each sample says how far away, in pixels across and down, the source shows its colour.
        """
        maps = np.empty((stop - start, *self.avatar.map_shape, 2), np.float32)
        poses = self._poses(start, stop)
        for row, window in enumerate(self._windows(start, stop)):
            maps[row] = self.mesh.displacement(window, poses[row].source, poses[row].target)
        return torch.from_numpy(maps)

    def pictures(self, displacements: Tensor, start: int) -> Tensor:
        """The rendered regions RGB uint8 (B, height, width, 3) of frames from `start` on."""
        stop = start + len(displacements)
        faces = np.zeros((stop - start, *self.avatar.region, 3), np.uint8)
        windows, poses, maps = self._windows(start, stop), self._poses(start, stop), displacements.numpy()
        shown = [int(index) for index in self.keypoints.source_index[start:stop]]
        for row, source in enumerate(self._sources(start, stop, windows)):
            pose = None if shown[row] in self.avatar.absent else poses[row]
            self._draw(faces[row], source, windows[row], maps[row], pose)
        return torch.from_numpy(faces)

    def _draw(
        self, face: Picture, source: HalfPixels, window: Window, displacement: Floats, pose: Pose | None
    ) -> None:
        """Draw the part of the region `face` that lies in the picture; nobody sees the rest.

        Without a pose the part stays as it is.
        """
        height, width = face.shape[:2]
        left, top = max(-int(window.left), 0), max(-int(window.top), 0)
        visible = np.s_[top : top + source.height, left : left + source.width]
        if pose is None:
            face[visible] = source.pixels
            return
        maps = np.asarray(cv2.resize(displacement, (width, height)), np.float32)
        full = Window(source.left, source.top, source.width, source.height, source.height, source.width)
        part = source.take(full, maps[visible])
        refine_eyes(part, full, source, self.mesh, pose, self.avatar.lids)
        refine_lips(part, full, source, self.mesh, pose, self.avatar.mouth)
        face[visible] = part

    def _sources(self, start: int, stop: int, windows: list[Window]) -> Iterator[HalfPixels]:
        if not self.avatar.is_video:
            return repeat(self._still, stop - start)
        originals = self.originals[start:stop].numpy()
        return (HalfPixels.of(*pair) for pair in zip(originals, windows, strict=True))

    @cached_property
    def _still(self) -> HalfPixels:
        return HalfPixels.of(self.avatar.frames[0].numpy(), self.avatar.window(0))

    def _windows(self, start: int, stop: int) -> list[Window]:
        return [self.avatar.window(int(index)) for index in self.keypoints.source_index[start:stop]]


@dataclass(frozen=True)
class LiteVolumes(FeatureVolumes):
    """Backward maps, lazy (N, rows, columns, 2), and what draws with them."""

    renderer: Renderer
