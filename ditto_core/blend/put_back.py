"""Puts rendered faces back on the source frames, feathered and by a chosen amount."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data import BlendOptions, FaceCrops, Frames
from ..sequences import ComputedSequence, GatheredSequence
from .composite import Weights, composite
from .masks import blend_mask, feathered_border


def put_back(crops: FaceCrops, options: BlendOptions | None = None) -> Frames:
    """Composite each face crop onto its source frame, as `composite` does.

    The weight of the rendered face is amount · mask · mode(feathered border). Lazy: a batch is computed when
    it is read.
    """
    options = options or BlendOptions()
    keypoints = crops.keypoints
    originals = GatheredSequence(keypoints.avatar.frames, keypoints.source_index)
    border = feathered_border(crops.mask.shape, options.feather)
    shown = blend_mask(border, options.mode, options.alpha, options.custom_formula)
    weight: Weights = np.asarray(crops.mask.numpy() * shown * options.amount, np.float32)

    def compute(start: int, stop: int) -> Tensor:
        faces = crops.images[start:stop].numpy()
        placed = crops.crop_to_original[keypoints.source_index[start:stop]].numpy()
        finished = [
            composite(picture, face, weight, matrix)
            for picture, face, matrix in zip(originals[start:stop].numpy(), faces, placed, strict=True)
        ]
        return torch.from_numpy(np.stack(finished))

    images = ComputedSequence(compute, len(crops.images), originals.shape, torch.uint8)
    return Frames(images, keypoints.motion.fps, keypoints.motion.audio)
