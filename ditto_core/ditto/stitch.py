"""Puts sampled motion on the source: which parts of it, how much, relative to what, and where it fades.

All frames are computed at once. What a sequence relates to (its first frame) is kept by `MotionStitcher`,
so that a stream can be stitched piece by piece with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..control_info import ANGLES, MOTION_PARTS
from ..options import AmplitudeOf, FadeTarget, VadOn
from .controls import ControlRows
from .motion import POINTS, WIDTHS, FaceInfo, MotionInfo, degrees, keypoints, place_keypoints, rotation

EYE_POINTS = (11, 13, 15, 16, 18)
LIP_POINTS = (6, 12, 14, 17, 19, 20)

IMAGE_KEYS = ("exp", "pitch", "yaw", "roll", "t")
VIDEO_KEYS = ("exp",)

Stitch = Callable[[Tensor, Tensor], Tensor]
"""(source keypoints, driving keypoints), each (N, 21, 3), to corrected driving keypoints."""


@dataclass(frozen=True)
class StitchRules:
    """How motion is put on a source.

    gains: the parts of motion that are driven, with a factor each; everything else stays the source's.
    relative: driven parts move the source by their change since the first frame, instead of replacing it.
    drive_eye: eyelids and gaze are driven, instead of the source's own. fade_to: what a fade ends in: "d0"
    the first frame, "s" the source, "" nothing fades.

    vad_on: a speech gate (`vad_alpha`) below 1 quietens the lips, or as published the whole expression with
    eyes and blinks. amplitude_of: `alpha_*` multiplies the angle, or as published its 66 logits when no
    degrees were added in that frame.
    """

    gains: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(IMAGE_KEYS, 1.0))
    relative: bool = True
    drive_eye: bool = True
    fade_to: FadeTarget = ""
    vad_on: VadOn = "lips"
    amplitude_of: AmplitudeOf = "degrees"


def motion_gains(
    use_d_keys: Mapping[str, float] | Sequence[str] | None, *, is_video: bool, scale_ratio: float = 1.0
) -> dict[str, float]:
    """`use_d_keys` as a factor for each driven part; None drives what suits the kind of source.

    scale_ratio: size of the face that motion was drawn for, relative to the source's; expression and angles
    are scaled by it.
    """
    if use_d_keys is None:
        use_d_keys = VIDEO_KEYS if is_video else IMAGE_KEYS
    gains = dict(use_d_keys) if isinstance(use_d_keys, Mapping) else dict.fromkeys(use_d_keys, 1.0)
    return {key: gain * (1.0 if key in ("scale", "t") else scale_ratio) for key, gain in gains.items()}


def point_mask(points: Iterable[int]) -> Tensor:
    """1 at the coordinates of these keypoints, (63,)."""
    mask = torch.zeros(POINTS, 3)
    mask[list(points)] = 1
    return mask.flatten()


@dataclass(frozen=True)
class Pose:
    """Pitch, yaw and roll of N frames: logits (N, 3, 66), and degrees (N, 3) which are what counts.

    `moved` (N, 3): the degrees were changed and no logits stand for them any more. Unmoved angles are mixed
    as logits, as published.
    """

    logits: Tensor
    degrees: Tensor
    moved: Tensor

    @classmethod
    def of(cls, info: MotionInfo) -> Pose:
        logits = torch.stack([getattr(info, angle) for angle in ANGLES], dim=1)
        return cls(logits, degrees(logits), torch.zeros(logits.shape[:2], dtype=torch.bool))

    def offset(self, angle: Tensor, given: Tensor) -> Pose:
        """Turned by degrees (N, 3), where they are given; as published, by 0 degrees too."""
        return Pose(self.logits, self.degrees + angle, self.moved | given)

    def scaled(self, factor: Tensor, *, as_logits: bool) -> Pose:
        """Angles (N, 3) times a factor; with `as_logits` that of the logits, where these still count."""
        if not as_logits:
            return Pose(self.logits, self.degrees * factor, self.moved | (factor != 1))
        logits = self.logits * factor[..., None]
        return Pose(logits, torch.where(self.moved, self.degrees * factor, degrees(logits)), self.moved)

    def mixed(self, other: Pose, weight: Tensor) -> Pose:
        """Weight (N, 3) of this pose and the rest of the other one."""
        logits = self.logits * weight[..., None] + other.logits * (1 - weight[..., None])
        moved = self.moved | other.moved
        mixed = self.degrees * weight + other.degrees * (1 - weight)
        return Pose(logits, torch.where(moved, mixed, degrees(logits)), moved)


DRIVEN_CHANNELS = (
    "scale",
    *ANGLES,
    *(f"t.{number}" for number in range(WIDTHS["t"])),
    *(f"exp.{number}" for number in range(WIDTHS["exp"])),
)
"""Motion as it is put on a source; angles are degrees."""


@dataclass(frozen=True)
class Driven:
    """Motion of N frames on its way to keypoints."""

    scale: Tensor
    t: Tensor
    exp: Tensor
    pose: Pose

    @classmethod
    def of(cls, info: MotionInfo) -> Driven:
        return cls(info.scale, info.t, info.exp, Pose.of(info))

    def mixed(self, other: Driven, weights: Tensor) -> Driven:
        """A weight (N, 6) for each of `MOTION_PARTS` of this motion and the rest of the other one."""
        scale, t, exp = (weights[:, MOTION_PARTS.index(key), None] for key in ("scale", "t", "exp"))
        return Driven(
            self.scale * scale + other.scale * (1 - scale),
            self.t * t + other.t * (1 - t),
            self.exp * exp + other.exp * (1 - exp),
            self.pose.mixed(other.pose, weights[:, [MOTION_PARTS.index(angle) for angle in ANGLES]]),
        )

    def values(self) -> Tensor:
        """One row for each frame, (N, 70), in the columns of `DRIVEN_CHANNELS`."""
        return torch.cat([self.scale, self.pose.degrees, self.t, self.exp], dim=1)

    def first(self) -> Driven:
        pose = Pose(self.pose.logits[:1], self.pose.degrees[:1], self.pose.moved[:1])
        return Driven(self.scale[:1], self.t[:1], self.exp[:1], pose)


def gaze_correction(turn: Tensor) -> Tensor:
    """What keeps the gaze where it was when the head turns: an expression offset (N, 63).

    turn (N, 2): how far it turned, across (0.26 a degree of yaw) and up or down (0.28 a degree of pitch).
    """
    dx, dy = turn.unbind(1)
    offset = turn.new_zeros(len(turn), 3 * POINTS)
    offset[:, 33] = dx * torch.where(dx > 0, 0.0007, 0.001)
    offset[:, 45] = dx * torch.where(dx > 0, 0.001, 0.0007)
    offset[:, 34] = offset[:, 46] = -0.001 * dy
    return offset


class MotionStitcher:
    """Stitches the motion of one clip, in one piece or several, from its first frame on.

    source: S frames. stitch: the network that joins face and shoulders, None leaves it out. reference: the
    motion (one frame) that all others are relative to, None takes the first one stitched. rest: what motion
    is put on, None for the source as it is.
    """

    def __init__(
        self,
        source: FaceInfo,
        rules: StitchRules,
        stitch: Stitch | None = None,
        reference: MotionInfo | None = None,
        rest: FaceInfo | None = None,
    ) -> None:
        self.rest = rest or source
        self.rules = rules
        self.stitch = stitch
        self._source_keypoints = keypoints(source)
        self.reference = reference
        self._fade_target: Driven | None = None
        self._first_pose: Tensor | None = None

    def __call__(
        self, motion: MotionInfo, source_index: Tensor, controls: ControlRows, eyes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The source's and the driving keypoints (N, 21, 3) of the next N frames, see `drive`."""
        driven = self.drive(motion, source_index, controls, eyes)
        return self._source_keypoints[source_index], self.place(driven, source_index)

    def drive(
        self, motion: MotionInfo, source_index: Tensor, controls: ControlRows, eyes: Tensor | None = None
    ) -> Driven:
        """The motion of the next N frames as it is put on the source.

        source_index (N,): the source frame of each. eyes (N, 63): offsets of the source's eyes that replace
        the driven ones, such as blinks; they count when the rules drive the eyes.
        """
        own = self.rest.take(source_index)
        related = self._relate(motion, own)
        exp = self._gate(self._mix_expression(related.exp, own.exp, eyes), own.exp, controls.vad)
        pose = Pose.of(related).offset(controls.offset, controls.turned)
        pose = pose.scaled(controls.amplitude, as_logits=self.rules.amplitude_of == "logits")
        driven = self._fade(Driven(related.scale, related.t, exp + controls.exp, pose), own, controls)
        if not self.rules.drive_eye:
            return driven
        return replace(driven, exp=driven.exp + self._gaze(driven.pose, own))

    def place(self, driven: Driven, source_index: Tensor) -> Tensor:
        """The driving keypoints (N, 21, 3) of N frames."""
        own = self.rest.take(source_index)
        info = MotionInfo(driven.scale, own.pitch, own.yaw, own.roll, driven.t, driven.exp)
        driving = place_keypoints(own.kp, info, rotation(*driven.pose.degrees.unbind(1)))
        return self.stitch(self._source_keypoints[source_index], driving) if self.stitch else driving

    def _relate(self, motion: MotionInfo, own: FaceInfo) -> MotionInfo:
        """The driven parts moved over, in relation to the first frame or as they are."""
        if self.reference is None:
            self.reference = motion.take(slice(0, 1))

        def part(key: str) -> Tensor:
            at_source, value = getattr(own, key), getattr(motion, key)
            if key not in self.rules.gains:
                return at_source
            if self.rules.relative:
                return at_source + (value - getattr(self.reference, key)) * self.rules.gains[key]
            return value * self.rules.gains[key]

        return MotionInfo(**{key: part(key) for key in MOTION_PARTS})

    def _mix_expression(self, driven: Tensor, own: Tensor, eyes: Tensor | None) -> Tensor:
        """Lips from the motion, eyes as the rules say, the rest of the face from the source."""
        lips, lids = point_mask(LIP_POINTS), point_mask(EYE_POINTS)
        if not self.rules.drive_eye:
            return driven * lips + own * (1 - lips)
        if eyes is None:
            both = lips + lids
            return driven * both + own * (1 - both)
        return driven * lips + own * (1 - lips) + eyes * lids

    def _gate(self, exp: Tensor, own: Tensor, vad: Tensor) -> Tensor:
        weight = vad[:, None].expand_as(exp)
        if self.rules.vad_on == "lips":
            weight = torch.where(point_mask(LIP_POINTS) > 0, weight, 1.0)
        return exp * weight + own * (1 - weight)

    def _fade(self, driven: Driven, own: FaceInfo, controls: ControlRows) -> Driven:
        if self._fade_target is None:
            self._fade_target = driven.first()
        if self.rules.fade_to == "":
            return driven
        target = self._fade_target if self.rules.fade_to == "d0" else Driven.of(own)
        weights = torch.where(controls.fade_keys, controls.fade[:, None], 1.0)
        return driven.mixed(target, weights)

    def _gaze(self, pose: Pose, own: FaceInfo) -> Tensor:
        if self._first_pose is None:
            self._first_pose = Pose.of(own.take(slice(0, 1))).degrees
        turned = pose.degrees - self._first_pose
        return gaze_correction(turned[:, [1, 0]] * turned.new_tensor([0.26, 0.28]))
