"""What the diffusion model is told about each frame: speech, emotion, eyes, and the shape of the face.

A row of the condition is [speech 1024 | emotion 8 | eye openness 2 | gaze 6 | shape 63].
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..emotion import emotion_table
from ..errors import InputError
from ..options import EmotionChoice
from ..sequences import mirrored
from .motion import MotionInfo

# Landmarks of the 478 by eye; the subject's right eye comes first.
CORNERS = ((33, 133), (263, 362))  # outer, inner
LIDS = (((145, 159), (144, 160), (153, 158)), ((374, 386), (373, 387), (380, 385)))
IRIS = (468, 473)
EPSILON = 1e-8


@dataclass(frozen=True)
class EyeAttributes:
    """Both eyes over n frames, the subject's right one first.

    openness (n, 2): height relative to width. gaze (n, 6): how far the iris lies from the eye's centre, as
    x x y y z z, in the unit of the landmarks.
    """

    openness: Tensor
    gaze: Tensor


def eye_attributes(landmarks: Tensor) -> EyeAttributes:
    """Openness and gaze from landmarks (n, 478, 3) in fractions of the crop's side."""
    eyes = [_eye(landmarks, side) for side in range(2)]
    openness = torch.stack([eye[0] for eye in eyes], dim=1)
    # Stacked last and flattened: the two eyes alternate.
    gaze = torch.stack([eye[1] for eye in eyes], dim=2)
    return EyeAttributes(openness, gaze.flatten(1))


def _eye(landmarks: Tensor, side: int) -> tuple[Tensor, Tensor]:
    outer, inner = (landmarks[:, corner] for corner in CORNERS[side])
    height = torch.stack([_distance(landmarks[:, a], landmarks[:, b]) for a, b in LIDS[side]]).sum(dim=0)
    openness = height / (_distance(outer, inner) + EPSILON)
    iris, centre = landmarks[:, IRIS[side]], (outer + inner) / 2
    turned = _direction(iris, centre) - _direction(outer, inner)
    return openness, turned * _distance(iris, centre)[:, None]


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1).sqrt()


def _direction(a: Tensor, b: Tensor) -> Tensor:
    return (a - b) / (_distance(a, b)[:, None] + EPSILON)


@dataclass(frozen=True)
class Character:
    """The face the diffusion model imagines.

    The published configurations bring one, which replaces the user's: motion is drawn for it and only then
    put on the source. shape: (63,) canonical keypoints; eyes over the frames of its source; motion: where
    the sequence starts, one frame. rate: frames of its source for one of motion.
    """

    shape: Tensor
    eyes: EyeAttributes
    motion: MotionInfo
    rate: Fraction = Fraction(1)


@dataclass(frozen=True)
class ConditionParts:
    """Which blocks a checkpoint was trained with; speech is always there."""

    emotion: bool = True
    openness: bool = True
    gaze: bool = True
    shape: bool = True


@dataclass(frozen=True)
class Conditioner:
    """Joins speech with everything else a frame is conditioned on.

    emotion (m, 8): frame i reads row i mod m. Eyes follow the character's frames, there and back again;
    with `first_frame_eyes` they stay as in its first.
    """

    character: Character
    emotion: Tensor
    parts: ConditionParts = ConditionParts()
    first_frame_eyes: bool = False

    def rows(self, speech: Tensor, start: int, emotion: EmotionChoice | None = None) -> Tensor:
        """The condition (n, width) of speech features (n, 1024) from frame `start` on.

        Frames before 0, the warm-up of a stream, look like frame 0. `emotion` replaces the table for these
        rows: one row for all of them, or at least as many as there are.
        """
        frame = torch.arange(start, start + len(speech)).clamp(min=0)
        blocks = [speech]
        if self.parts.emotion:
            blocks.append(self._table(frame) if emotion is None else _rows_for(emotion, len(speech)))
        eyes = self.character.eyes
        blocks += [eyes.openness[self._eye_frame(frame)]] if self.parts.openness else []
        blocks += [eyes.gaze[self._eye_frame(frame)]] if self.parts.gaze else []
        blocks += [self.character.shape.expand(len(speech), -1)] if self.parts.shape else []
        return torch.cat(blocks, dim=1)

    def _table(self, frame: Tensor) -> Tensor:
        return self.emotion[frame % len(self.emotion)]

    def _eye_frame(self, frame: Tensor) -> Tensor:
        if self.first_frame_eyes:
            return torch.zeros_like(frame)
        return mirrored(frame, len(self.character.eyes.openness), self.character.rate)


def _rows_for(emotion: EmotionChoice, count: int) -> Tensor:
    table = emotion_table(emotion)
    if len(table) == 1:
        return table.expand(count, -1)
    if len(table) < count:
        raise InputError(f"The emotion has {len(table)} rows for {count} frames; give one row or one each.")
    return table[:count]
