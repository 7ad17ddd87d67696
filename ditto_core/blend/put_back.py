"""Puts rendered faces back on the source frames, feathered and by a chosen amount."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data import FaceCrops, Frames, RenderedRegion
from ..options import BlendOptions
from ..sequences import ComputedSequence, GatheredSequence, LazySequence
from .composite import Weights, lay_on, warp
from .masks import blend_mask, feathered_border


def put_back(crops: FaceCrops, options: BlendOptions | None = None) -> Frames:
    """Lay each face crop on its source frame, as `composite.lay_on` does.

    Lazy: a batch is computed when it is read.
    """
    options = options or BlendOptions()
    keypoints = crops.keypoints
    originals = GatheredSequence(keypoints.avatar.frames, keypoints.source_index)
    weight = mask_weight(crops.mask, options)

    def compute(start: int, stop: int) -> Tensor:
        faces = crops.images[start:stop].numpy()
        shown = keypoints.source_index[start:stop]
        placed = crops.crop_to_original[shown].numpy()
        pictures = originals[start:stop]  # copies of the source's
        for frame, picture, face, matrix in zip(shown, pictures.numpy(), faces, placed, strict=True):
            if int(frame) not in crops.absent:
                lay_on(picture, face, weight, matrix)
        return pictures

    images = ComputedSequence(compute, len(crops.images), originals.shape, torch.uint8)
    rendered = rendered_region(weight, crops.crop_to_original, keypoints.source_index, crops.absent)
    return Frames(images, keypoints.motion.fps, keypoints.motion.audio, rendered)


def rendered_region(
    weight: Weights, crop_to_original: Tensor, source_index: Tensor, absent: frozenset[int]
) -> RenderedRegion:
    """Where the output frames that show these source frames show a crop of this weight (h, w)."""
    shown = torch.tensor([int(frame) not in absent for frame in source_index], dtype=torch.bool)
    return RenderedRegion(torch.from_numpy(weight), crop_to_original[source_index], shown)


def mask_weight(mask: Tensor, options: BlendOptions) -> Weights:
    """The weight (h, w) in 0..1 of rendered faces whose crops have this mask (h, w).

    It is amount · mask · mode(feathered border).
    """
    border = feathered_border(mask.shape, options.feather)
    shown = blend_mask(border, options.mode, options.alpha, options.custom_formula)
    return np.asarray(mask.numpy() * shown * options.amount, np.float32)


def frame_weights(crops: FaceCrops, options: BlendOptions) -> LazySequence:
    """The weight of the rendered face on the frames it is put back on, lazy (N, H, W) in 0..1."""
    weight = mask_weight(crops.mask, options)
    height, width = crops.keypoints.avatar.frames.shape[:2]
    whole = slice(0, height), slice(0, width)
    nothing = np.zeros((height, width), np.float32)

    def compute(start: int, stop: int) -> Tensor:
        shown = crops.keypoints.source_index[start:stop]
        masks = [
            nothing if int(frame) in crops.absent else warp(weight, matrix, *whole)
            for frame, matrix in zip(shown, crops.crop_to_original[shown].numpy(), strict=True)
        ]
        return torch.from_numpy(np.stack(masks)).clamp(0, 1)

    return ComputedSequence(compute, len(crops.images), (height, width), torch.float32)
