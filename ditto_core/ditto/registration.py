"""Registers a source: its face's crops, motion, shape and eyes, frame by frame; nothing large is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from ..data import Source
from ..engine import Engine
from ..face.crop import crop_faces
from ..face.seen import Seen
from ..host import Host
from ..options import AvatarOptions
from ..sequences import LazySequence, mirror_index
from .avatar import AppearanceVolumes, DittoAvatar
from .condition import eye_attributes
from .follow import FollowedFace
from .motion import WIDTHS, FaceInfo, smooth_source
from .source import CROP_SIDE, network_input
from .stitch import LIP_POINTS, point_mask

Extract = Callable[[Tensor], Tensor]
"""(n, 3, 256, 256) in 0..1 to feature volumes (n, 32, 16, 64, 64)."""

ExtractMotion = Callable[[Tensor], dict[str, Tensor]]
"""(n, 3, 256, 256) in 0..1 to the parts of `FaceInfo`."""


def build_avatar(
    engine: Engine,
    source: Source,
    followed: FollowedFace,
    extract_motion: ExtractMotion,
    extract_appearance: Extract,
    options: AvatarOptions,
    host: Host,
) -> DittoAvatar:
    """The avatar of the person whose face was followed through `source`."""
    crops = crop_faces(source.frames, followed.crop_to_original, CROP_SIDE)
    measured = _measure(crops, extract_motion, host)
    own = _bridged(measured, followed.seen)
    face = _smoothed(own, options.smo_k_s, followed.seen)
    return DittoAvatar(
        engine=engine,
        frames=source.frames,
        fps=source.fps,
        landmarks=followed.landmarks,
        crop_to_original=followed.crop_to_original,
        crop_size=CROP_SIDE,
        notes=followed.seen.remarks(),
        face=face,
        rest=_with_neutral_mouth(face, options.motion_frames),
        shape=own.kp[0],
        eyes=eye_attributes(followed.mesh),
        appearance=AppearanceVolumes(crops, lambda batch: extract_appearance(network_input(batch))),
        absent=frozenset(followed.seen.absent),
    )


def _measure(crops: LazySequence, extract_motion: ExtractMotion, host: Host) -> FaceInfo:
    """Motion and shape of the face in each crop.

    Written into one place: small results kept one by one between the large buffers of each batch would stop
    the system from using those again.
    """
    count = len(crops)
    held = {name: torch.empty(count, width) for name, width in {**WIDTHS, "kp": WIDTHS["exp"]}.items()}
    done = 0
    for batch in crops.batches():
        host.check_interrupted()
        for name, values in extract_motion(network_input(batch)).items():
            held[name][done : done + len(batch)] = values
        done += len(batch)
        host.progress("measure", done, count, batch[-1])
    return FaceInfo(**held)


def _bridged(face: FaceInfo, seen: Seen) -> FaceInfo:
    """Frames without a face get their neighbours' motion: what the network made of them is no face's."""

    def fill(values: Tensor) -> Tensor:
        filled = np.array(values.numpy())
        seen.bridge(filled)
        return torch.from_numpy(filled)

    return face.map(fill)


def _smoothed(face: FaceInfo, kernel: int, seen: Seen) -> FaceInfo:
    """The face averaged over frames, but not over a jump."""
    return _joined([smooth_source(face.take(shot), kernel) for shot in seen.shots])


def _joined(parts: list[FaceInfo]) -> FaceInfo:
    return FaceInfo(
        **{part.name: torch.cat([getattr(p, part.name) for p in parts]) for part in fields(FaceInfo)}
    )


def _with_neutral_mouth(face: FaceInfo, frames: int) -> FaceInfo:
    """The face with the mouth of its first frames, there and back again; with all its own when that is -1."""
    if frames == -1 or frames >= len(face):
        return face
    neutral = face.exp[mirror_index(len(face), frames)]
    return replace(face, exp=torch.where(point_mask(LIP_POINTS) > 0, neutral, face.exp))
