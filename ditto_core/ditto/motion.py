"""Motion: what it consists of, the 265 numbers a frame that the diffusion model draws, and its keypoints.

Motion of N frames is a `MotionInfo`; one row of its (N, 265) form holds [scale - 1 | pitch 66 | yaw 66 |
roll 66 | t 3 | exp 63]. Angles are logits over 66 bins of 3 degrees. They are smoothed and put in relation
to each other as logits, as published: averages of logits are not averages of degrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError

BINS = 66
POINTS = 21
WIDTHS = {"scale": 1, "pitch": BINS, "yaw": BINS, "roll": BINS, "t": 3, "exp": 3 * POINTS}
MOTION_WIDTH = sum(WIDTHS.values())
POSE = slice(0, MOTION_WIDTH - WIDTHS["exp"])
"""The columns of everything but the expression."""

_Info = TypeVar("_Info", bound="MotionInfo")


@dataclass(frozen=True)
class MotionInfo:
    """Head pose and expression of N frames, all float32.

    scale (N, 1); pitch, yaw, roll (N, 66) logits; t (N, 3) shift; exp (N, 63) the offsets of 21 points.
    """

    scale: Tensor
    pitch: Tensor
    yaw: Tensor
    roll: Tensor
    t: Tensor
    exp: Tensor

    def __len__(self) -> int:
        return len(self.scale)

    def map(self: _Info, function: Callable[[Tensor], Tensor]) -> _Info:
        """The same with `function` applied to every field."""
        return type(self)(**{part.name: function(getattr(self, part.name)) for part in fields(self)})

    def take(self: _Info, index: Tensor | slice) -> _Info:
        """The frames that `index` names."""
        return self.map(lambda values: values[index])


@dataclass(frozen=True)
class FaceInfo(MotionInfo):
    """Motion of N frames of a real face with its shape: kp (N, 63), the 21 canonical keypoints."""

    kp: Tensor


def to_vectors(info: MotionInfo) -> Tensor:
    """The (N, 265) form. The scale is stored minus 1; canonical keypoints are not part of it."""
    parts = [info.scale - 1, *(getattr(info, name) for name in list(WIDTHS)[1:])]
    return torch.cat(parts, dim=1)


def from_vectors(vectors: Tensor) -> MotionInfo:
    """The inverse of `to_vectors`."""
    if vectors.ndim != 2 or vectors.shape[1] != MOTION_WIDTH:
        raise InputError(f"Motion must be (frames, {MOTION_WIDTH}); this is {tuple(vectors.shape)}.")
    scale, *rest = torch.split(vectors, list(WIDTHS.values()), dim=1)
    return MotionInfo(scale + 1, *rest)


def clip(vectors: Tensor, limits: Tensor) -> Tensor:
    """Keep (N, 265) between `limits[0]` and `limits[1]`; the configuration's other rows are not used."""
    if limits.ndim != 2 or len(limits) < 2 or limits.shape[1] != vectors.shape[1]:
        raise InputError(
            f"The limits of motion must be (2 or more, {vectors.shape[1]}); these are {tuple(limits.shape)}."
        )
    return vectors.clamp(limits[0], limits[1])


def smooth(values: Tensor, kernel: int) -> Tensor:
    """Centred moving average of (N, D) over frames; at the ends over those frames there are.

    An even kernel reaches as far as the next odd one; 1 changes nothing.
    """
    if kernel < 1:
        raise InputError(f"The smoothing kernel is {kernel}; it must be at least 1 (no smoothing).")
    reach = kernel // 2
    if reach == 0 or len(values) == 0:
        return values
    rows = values.T[None]
    average = F.avg_pool1d(rows, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
    return average[0].T.contiguous()


def smooth_source(info: FaceInfo, kernel: int) -> FaceInfo:
    """Every field of a source video smoothed over its frames, shape and logits included."""
    return info.map(lambda values: smooth(values, kernel))


def degrees(logits: Tensor) -> Tensor:
    """The angle (…) that logits (…, 66) stand for: the expectation over bins, -97.5 to 97.5."""
    bins = torch.arange(BINS, dtype=logits.dtype, device=logits.device)
    return (logits.softmax(dim=-1) * bins).sum(dim=-1) * 3 - 97.5


def rotation(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """The matrices (N, 3, 3) that turn row vectors, (Rz·Ry·Rx) transposed, from degrees (N,)."""
    x, y, z = (torch.deg2rad(angle) for angle in (pitch, yaw, roll))
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    about_x = _matrix(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    about_y = _matrix(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    about_z = _matrix(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    return (about_z @ about_y @ about_x).transpose(1, 2)


def _matrix(*entries: Tensor) -> Tensor:
    return torch.stack(entries, dim=-1).view(-1, 3, 3)


def place_keypoints(kp: Tensor, info: MotionInfo, turn: Tensor) -> Tensor:
    """Canonical keypoints (N, 63) moved as `info` says and turned by `turn` (N, 3, 3): (N, 21, 3).

    (kp·R + exp)·scale, then shifted in x and y; the shift's depth is not used, as published.
    """
    shape, offsets = kp.view(-1, POINTS, 3), info.exp.view(-1, POINTS, 3)
    points = (shape @ turn + offsets) * info.scale[:, None]
    shift = torch.cat([info.t[:, :2], torch.zeros_like(info.t[:, 2:])], dim=1)
    return points + shift[:, None]


def pose_degrees(info: MotionInfo) -> Tensor:
    """Pitch, yaw and roll (N, 3) in degrees."""
    return torch.stack([degrees(info.pitch), degrees(info.yaw), degrees(info.roll)], dim=1)


def keypoints(face: FaceInfo) -> Tensor:
    """The face's own keypoints (N, 21, 3)."""
    return place_keypoints(face.kp, face, rotation(*pose_degrees(face).unbind(1)))
