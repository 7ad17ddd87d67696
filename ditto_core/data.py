"""What flows between the stages: one frozen dataclass per socket.

Shapes use N for output frames, S for source frames, K for keypoints. Pictures are RGB uint8 (H, W, 3)
until they leave the pack. Every stage output names the engine that made it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NoReturn

from torch import Tensor

from .errors import InputError
from .sequences import LazySequence, mirror_index

if TYPE_CHECKING:
    from .engine import Engine

NOT_RENDERED = "These are frames that are not rendered yet; connect Ditto Frames to Images first."


@dataclass(frozen=True)
class Audio:
    """Sound as it was recorded: float32 (channels, samples), nominally in -1..1."""

    samples: Tensor
    rate: int

    @property
    def seconds(self) -> float:
        return self.samples.shape[-1] / self.rate

    def frame_count(self, fps: Fraction) -> int:
        """Frames needed to cover the sound: ceil(seconds * fps), exactly."""
        return math.ceil(Fraction(self.samples.shape[-1], self.rate) * fps)


@dataclass(frozen=True)
class Source:
    """The picture or video of a person: lazily read RGB uint8 (S, H, W, 3).

    `fps` is None for a still picture.
    """

    frames: LazySequence
    fps: Fraction | None = None
    name: str = "source"


@dataclass(frozen=True)
class Avatar:
    """A registered source. Engines subclass it to keep what they know about the face.

    landmarks: (S, P, 2) pixels of the source frame. crop_to_original: (S, 3, 3) maps pixels of the square
    face crop of side `crop_size` to pixels of the frame. notes: what the user should know (bridged frames,
    a strongly turned head, …).
    """

    engine: Engine
    frames: LazySequence
    fps: Fraction | None
    landmarks: Tensor
    crop_to_original: Tensor
    crop_size: int
    notes: tuple[str, ...]

    @property
    def is_video(self) -> bool:
        return self.fps is not None

    def rate_for(self, fps: Fraction) -> Fraction:
        """Source frames for one output frame at `fps`."""
        return Fraction(1) if self.fps is None else self.fps / fps

    def source_index(self, count: int, fps: Fraction, start: int = 0) -> Tensor:
        """The source frame (count,) that each output frame at `fps` from `start` on shows, looping there and
        back."""
        return mirror_index(count, len(self.frames), self.rate_for(fps), start)


@dataclass(frozen=True)
class SpeechFeatures:
    """What a speech encoder heard: float32 (rows, C) at `rate` rows a second."""

    engine: Engine
    values: Tensor
    rate: Fraction
    encoder: str
    audio: Audio


@dataclass(frozen=True)
class Motion:
    """Motion of face and head: float32 (N, C) at `fps`; `channels` names the columns."""

    engine: Engine
    values: Tensor
    fps: Fraction
    channels: tuple[str, ...]
    audio: Audio


@dataclass(frozen=True)
class Keypoints:
    """Source and driving keypoints.

    source: (S, K, 3), driving: (N, K, 3), both lazy float32; source_index: (N,) int64, the source frame of
    each output frame; motion: what was put on the avatar, after amounts, fades and controls (its channels
    need not be those that are drawn). measured_in: what x and y are, pixels of the source frame, or -1..1
    across the square face crop.
    """

    engine: Engine
    avatar: Avatar
    motion: Motion
    source: LazySequence
    driving: LazySequence
    source_index: Tensor
    measured_in: Literal["frame", "crop"] = "frame"


@dataclass(frozen=True)
class FeatureVolumes:
    """Warped features, lazy (N, …); what an item is depends on the engine."""

    engine: Engine
    keypoints: Keypoints
    values: LazySequence


@dataclass(frozen=True)
class FaceCrops:
    """Rendered faces: lazy RGB 0..255 (N, h, w, 3), uint8 or, not rounded yet, float32.

    crop_to_original: (S, 3, 3) maps a crop's pixels to the source frame's. mask: (h, w) float32 in 0..1,
    where the rendered face counts. absent: source frames that stay as they are.
    """

    engine: Engine
    keypoints: Keypoints
    images: LazySequence
    crop_to_original: Tensor
    mask: Tensor
    absent: frozenset[int] = frozenset()


@dataclass(frozen=True)
class RenderedRegion:
    """Where finished pictures show a rendered face.

    weight: (h, w) float32 in 0..1, how much of the rendered crop is shown; its shape is the crop's. to_frame:
    (N, 3, 3) from the crop's pixels to the frame's. shown: (N,) bool, false where the frame stayed as it was.
    """

    weight: Tensor
    to_frame: Tensor
    shown: Tensor


@dataclass(frozen=True)
class Frames:
    """Finished pictures: lazy RGB uint8 (N, H, W, 3) at `fps`, with the sound they belong to.

    rendered: where they show a rendered face, when that is known.
    """

    images: LazySequence
    fps: Fraction
    audio: Audio | None = None
    rendered: RenderedRegion | None = None

    def __getitem__(self, index: object) -> NoReturn:
        """What other programs do with an IMAGE, which these frames can be mistaken for."""
        raise InputError(NOT_RENDERED)

    @property
    def shape(self) -> NoReturn:
        """As for `__getitem__`; the sides are `height` and `width`."""
        raise InputError(NOT_RENDERED)

    @property
    def height(self) -> int:
        return self.images.shape[0]

    @property
    def width(self) -> int:
        return self.images.shape[1]
