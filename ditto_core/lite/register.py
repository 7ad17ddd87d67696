"""Registers a person with Lite: weights, the look of the mouth, the rendered region, remarks for the user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Source
from ..engine import Engine
from ..errors import FaceNotFoundError
from ..face.crop import crop_to_original
from ..face.track import Tracked
from ..options import AvatarOptions
from .avatar import LiteAvatar
from .basis import FaceBasis, half_widths
from .geometry import LOWER_LID, LOWER_LIP, UPPER_LID, UPPER_LIP, VERTICES, Floats, place
from .lids import LidLook
from .lip_border import lip_borders
from .mouth_look import MouthLook
from .surround import LAST_RING, Surround, rings

CROP_SIZE = 256

# The backward map is computed at a size where the face is this wide, whatever its size in the picture.
MAP_FACE_WIDTH = 200.0
MAP_LARGEST_SCALE = 4.0
# The rendered region goes this share of its side beyond the picture, so that it fades out outside of it.
BEYOND_PICTURE = 0.06

YAW_WARNING, YAW_LIMIT = 30.0, 60.0
OPEN_MOUTH_CM, TALKING_CM = 1.2, 1.6
TINY_FACE_PX = 60.0


def build_avatar(
    engine: Engine,
    source: Source,
    tracked: Tracked,
    options: AvatarOptions,
    hidden: tuple[int, ...] = (),
) -> LiteAvatar:
    """The avatar of the person whose landmarks were tracked through `source`.

    hidden: frames in which something is in front of the lips; they stay as they are. Raises
    `FaceNotFoundError` when the face is seen from the side in most frames.
    """
    mesh = tracked.landmarks.numpy()
    placement = place(mesh)
    shapes = placement.to_cm(mesh[:, :VERTICES])
    angles, gap = placement.head_angles(), mouth_gap(shapes)
    _check_angle(angles[:, 0], source.name)
    seen = np.array(tracked.seen.found)
    seen[[*hidden]] = False
    best = _clearest_frame(angles, gap, _eye_opening(shapes), seen)
    opened = _frame_with_open_mouth(angles, gap, seen, best)
    # A video's clearest frame may round its lips: their usual width is that of all frames.
    usual_width = float(np.median(half_widths(shapes)))
    basis = replace(FaceBasis.from_shape(shapes[best]), half_width=usual_width)
    height, width = source.frames.shape[:2]
    outer = placement.to_px(rings(shapes))[:, LAST_RING - VERTICES, :2]
    corners, region = region_in_frames(outer, height, width)
    scale = min(MAP_LARGEST_SCALE, MAP_FACE_WIDTH / face_width(mesh).max())
    return LiteAvatar(
        engine=engine,
        frames=source.frames,
        fps=source.fps,
        landmarks=tracked.landmarks[..., :2],
        crop_to_original=crop_to_original(tracked.landmarks, CROP_SIZE, options),
        crop_size=CROP_SIZE,
        notes=_notes(tracked, hidden, angles[:, 0], gap, face_width(mesh)),
        mesh=tracked.landmarks,
        basis=basis,
        surround=Surround(shapes[best]),
        mouth=MouthLook.from_picture(source.frames[opened].numpy(), mesh[opened]),
        lids=LidLook.from_picture(source.frames[best].numpy(), mesh[best]),
        lip_borders=lip_borders(source.frames[opened].numpy(), mesh[opened]),
        corners=corners,
        region=region,
        map_shape=(max(2, round(region[0] * scale)), max(2, round(region[1] * scale))),
        absent=frozenset((*tracked.seen.absent, *hidden)),
    )


def mouth_gap(shapes: Floats) -> Floats:
    """Distance in cm between the inner lips in the middle of the mouth (B,) of faces (B, 468, 3) in cm."""
    return np.linalg.norm(shapes[:, UPPER_LIP[3, 5]] - shapes[:, LOWER_LIP[3, 5]], axis=-1)


def _eye_opening(shapes: Floats) -> Floats:
    """Mean distance in cm between the lids (B,)."""
    return np.mean(shapes[:, UPPER_LID, 1] - shapes[:, LOWER_LID, 1], axis=(1, 2))


def _clearest_frame(angles: Floats, gap: Floats, eyes: Floats, seen: NDArray[np.bool_]) -> int:
    """The frame that shows the face best: ahead, mouth closed, eyes open."""
    closed_eyes = np.maximum(float(np.median(eyes)) - eyes, 0)
    flaws = np.abs(angles[:, :2]).sum(axis=1) / 10 + gap + 5 * closed_eyes
    return int(np.argmin(np.where(seen, flaws, np.inf)))


def _frame_with_open_mouth(angles: Floats, gap: Floats, seen: NDArray[np.bool_], clearest: int) -> int:
    """The frame that shows teeth and the lips' inner borders best; the clearest one when none does."""
    turned = np.abs(angles[:, :2]).sum(axis=1)
    usable = seen & (gap < TALKING_CM) & (turned < turned[clearest] + 10)
    widest = int(np.argmax(np.where(usable, gap, -1)))
    return widest if usable[widest] else clearest


def face_width(mesh: Floats) -> Floats:
    """Distance in pixels between the face's sides (S,), whichever way the head is turned."""
    return np.linalg.norm(mesh[:, 234] - mesh[:, 454], axis=-1)


def region_in_frames(outer: Floats, height: int, width: int) -> tuple[Tensor, tuple[int, int]]:
    """Where to render, from the outermost ring (S, 36, 2) in pixels: the region's corner in each frame
    (S, 2) int64 and its height and width, the same in all.

    It reaches beyond the picture where the ring does, but only as far as its border needs to fade out.
    """
    picture = np.array([width, height])
    low, high = np.floor(outer.min(axis=1)) - 1, np.ceil(outer.max(axis=1)) + 2
    margin = np.ceil(BEYOND_PICTURE * np.minimum(picture, (high - low).max(axis=0)).min())
    low, high = np.maximum(low, -margin), np.minimum(high, picture + margin)
    size = (high - low).max(axis=0)
    corners = np.minimum(low, picture + margin - size).astype(np.int64)
    return torch.from_numpy(corners), (int(size[1]), int(size[0]))


def _check_angle(yaw: Floats, name: str) -> None:
    typical = float(np.median(np.abs(yaw)))
    if typical > YAW_LIMIT:
        raise FaceNotFoundError(
            f"The face in {name} is turned {typical:.0f} degrees away from the camera; Lite can animate "
            f"up to {YAW_LIMIT:.0f}. Use a picture that shows the face from the front."
        )


def _notes(
    tracked: Tracked, hidden: tuple[int, ...], yaw: Floats, gap: Floats, size: Floats
) -> tuple[str, ...]:
    notes: list[str] = []
    frames = len(yaw)
    turned = int((np.abs(yaw) > YAW_WARNING).sum())
    if turned:
        where = f" in {turned} of {frames} frames" if frames > 1 else ""
        notes.append(
            f"The head is turned {np.abs(yaw).max():.0f} degrees{where}; beyond {YAW_WARNING:.0f} the far "
            "side of the face is stretched. A frontal picture works better."
        )
    if frames == 1 and gap[0] > OPEN_MOUTH_CM:
        notes.append(
            f"The mouth is open ({gap[0]:.1f} cm); it closes plausibly, but a picture with "
            "closed lips looks better."
        )
    if size.max() < TINY_FACE_PX:
        notes.append(f"The face is only {size.max():.0f} pixels wide; a larger one looks sharper.")
    if hidden:
        notes.append(
            f"Something is in front of the mouth in {len(hidden)} of {frames} frames (first: {hidden[0]}); "
            "they stay as they are."
        )
    return (*notes, *tracked.seen.remarks())
