"""What the registration found, as pictures: the face crop with its landmarks drawn in."""

from __future__ import annotations

from ..data import Avatar
from ..media.source import first_frames
from ..sequences import LazySequence
from .crop import crop_faces, draw_landmarks


def preview_face(avatar: Avatar, count: int) -> LazySequence:
    """The face crops of the first `count` source frames with landmarks: RGB uint8 (n, side, side, 3)."""
    frames = first_frames(avatar.frames, count)
    placed = avatar.crop_to_original[: len(frames)]
    crops = crop_faces(frames, placed, avatar.crop_size)
    return draw_landmarks(crops, avatar.landmarks[: len(frames)], placed)
