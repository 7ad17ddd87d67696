"""The controls: emotion, fades, head pose, expression, eyes, blinks, and single frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Literal

import torch

from ..control_info import ControlInfo, check_info, frame_entries
from ..ditto.stitch import gaze_correction
from ..emotion import EmotionLabel, emotion_schedule, emotion_table, emotion_vector
from ..errors import InputError
from ..limits import Limits, check_fields
from ..options import AMOUNT, FadeTarget, MotionOptions, StitchOptions
from .control import Control, by_frame, in_frames
from .curve import Clip, Curve, Moment

EMOTION_RATE = Fraction(25)
"""Rows of an emotion table a second: the diffusion model's rate, whatever that of the video."""

EMOTION_FADE = 0.5
"""Seconds, unless something else is said."""

FADE_SECONDS = Limits(0, 60)

BEGIN = Moment(0)

EyeSource = Literal["driven", "original", "first frame"]


@dataclass(frozen=True)
class Emotion(Control):
    """Emotions laid over those before from `start` to `end`, faded in and out over `fade` seconds.

    labels: one or several at once. end: None for the end of the clip. Where no emotion was set before, the
    rest of the clip is neutral.
    """

    labels: tuple[EmotionLabel, ...]
    start: Moment = BEGIN
    end: Moment | None = None
    fade: Annotated[float, FADE_SECONDS] = EMOTION_FADE

    def __post_init__(self) -> None:
        check_fields(self, "emotion")
        emotion_vector(self.labels)  # names that do not exist are refused where they are written
        if self.end and self.end.in_seconds == self.start.in_seconds and self.end.value <= self.start.value:
            unit = "s" if self.end.in_seconds else "frames"
            raise InputError(
                f"An emotion ends at {self.end.value:g} {unit} and starts at {self.start.value:g} {unit}; "
                "its end must come after its start."
            )

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:
        shown = emotion_vector(self.labels)
        if self.start.value == 0 and self.end is None:
            return replace(options, emo=shown[None])
        rows = torch.arange(clip.at_rate(EMOTION_RATE).frames)
        before = emotion_table("neutral" if options.emo is None else options.emo)
        weight = self._weight(rows / float(EMOTION_RATE), clip.fps)[:, None]
        return replace(options, emo=before[rows % len(before)] * (1 - weight) + shown * weight)

    def _weight(self, time: torch.Tensor, fps: Fraction) -> torch.Tensor:
        fade = max(self.fade, 1e-6)
        # From the start the emotion comes, to the end it goes; at 0 it is there at once.
        weight = ((time - self.start.seconds(fps)) / fade + (self.fade == 0)).clamp(0, 1)
        if self.start.value == 0:
            weight = torch.ones_like(weight)
        if self.end is not None:
            weight = weight.minimum(((self.end.seconds(fps) - time) / fade).clamp(0, 1))
        return weight


@dataclass(frozen=True)
class EmotionSchedule(Control):
    """Emotions that take turns: (moment, classes shown from then on), each fading in over `fade` seconds."""

    changes: tuple[tuple[Moment, tuple[EmotionLabel, ...]], ...]
    fade: Annotated[float, FADE_SECONDS] = EMOTION_FADE

    def __post_init__(self) -> None:
        check_fields(self, "emotion")

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:
        rows = clip.at_rate(EMOTION_RATE).frames
        rate = float(EMOTION_RATE)
        changes = [(round(moment.seconds(clip.fps) * rate), labels) for moment, labels in self.changes]
        return replace(options, emo=emotion_schedule(changes, rows, round(self.fade * rate)))


@dataclass(frozen=True)
class Fade(Control):
    """Motion comes from and returns to rest over so many frames; None and -1 mean no change and no fade.

    to: what a fade ends in, parts: what of the motion fades; both as in `StitchOptions`.
    """

    fade_in: int | None = None
    fade_out: int | None = None
    to: FadeTarget | None = None
    parts: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self._over(StitchOptions())

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:  # noqa: ARG002
        return self._over(options)

    def _over(self, options: StitchOptions) -> StitchOptions:
        named = {
            "fade_in": self.fade_in,
            "fade_out": self.fade_out,
            "fade_type": self.to,
            "fade_out_keys": self.parts,
        }
        return replace(options, **{name: value for name, value in named.items() if value is not None})


@dataclass(frozen=True)
class HeadPose(Control):
    """Degrees added to the head's angles, and factors of them; None leaves an angle alone.

    An offset of pitch replaces the one a configuration brings.
    """

    pitch: Curve | None = None
    yaw: Curve | None = None
    roll: Curve | None = None
    pitch_amount: Curve | None = None
    yaw_amount: Curve | None = None
    roll_amount: Curve | None = None

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:
        curves = {
            "delta_pitch": self.pitch,
            "delta_yaw": self.yaw,
            "delta_roll": self.roll,
            "alpha_pitch": self.pitch_amount,
            "alpha_yaw": self.yaw_amount,
            "alpha_roll": self.roll_amount,
        }
        values = {key: curve.values(clip) for key, curve in curves.items() if curve}
        return in_frames(options, by_frame(values))


@dataclass(frozen=True)
class Expression(Control):
    """How much the mouth moves: `amount` throughout, and `gate` 0 (the source's lips) .. 1 over time."""

    amount: Annotated[float, AMOUNT] | None = None
    gate: Curve | None = None

    def __post_init__(self) -> None:
        check_fields(self, "expression")

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:
        if self.amount is not None:
            options = replace(options, mouth_amount=self.amount)
        if self.gate is None:
            return options
        return in_frames(options, by_frame({"vad_alpha": self.gate.values(clip).clamp(0, 1)}))


@dataclass(frozen=True)
class Eyes(Control):
    """Whose eyes are shown, and where they look.

    source: driven by the engine, the source's original ones, or driven with those of the first frame as what
    motion is drawn for. gaze_x, gaze_y: to the picture's right and up, -30..30; 10 is what keeps the gaze in
    place while the head turns by 10 / 0.26 = 38 degrees. The offset is the same as that of the gaze
    correction, see `ditto.stitch.gaze_correction`.
    """

    source: EyeSource | None = None
    gaze_x: Curve | None = None
    gaze_y: Curve | None = None

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:  # noqa: ARG002
        return options if self.source is None else replace(options, eye_f0_mode=self.source == "first frame")

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:
        if self.source is not None:
            options = replace(options, drive_eye=self.source != "original")
        if self.gaze_x is None and self.gaze_y is None:
            return options
        still = Curve(((BEGIN, 0.0),))
        looks = [(curve or still).values(clip) for curve in (self.gaze_x, self.gaze_y)]
        return in_frames(options, by_frame({"delta_exp": gaze_correction(torch.stack(looks, dim=1))}))


@dataclass(frozen=True)
class Blinks(Control):
    """When the eyes blink: at a rate a minute (0 never), after gaps in frames at 25 a second, used in turn,
    or at certain seconds. The last of these that is given counts."""

    per_minute: float | None = None
    gaps: tuple[int, ...] = ()
    times: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        MotionOptions(blink_rate=self.per_minute, delta_eye_open_n=self.gaps or 0, blink_times=self.times)

    def motion(self, options: MotionOptions, clip: Clip) -> MotionOptions:  # noqa: ARG002
        if self.times:
            return replace(options, blinks=True, blink_times=self.times)
        options = replace(options, blink_times=None) if self.gaps or self.per_minute is not None else options
        if self.gaps:
            return replace(options, blinks=True, blink_rate=None, delta_eye_open_n=self.gaps)
        if self.per_minute is None:
            return options
        return replace(options, blinks=self.per_minute > 0, blink_rate=self.per_minute)


@dataclass(frozen=True)
class SingleFrames(Control):
    """`ctrl_info`: what is changed in single frames."""

    info: ControlInfo

    def __post_init__(self) -> None:
        check_info(self.info)
        if any(frame < 0 for frame, _ in frame_entries(self.info)):
            raise InputError("ctrl_info names a frame before 0; frames count from 0.")

    def stitch(self, options: StitchOptions, clip: Clip) -> StitchOptions:  # noqa: ARG002
        return in_frames(options, frame_entries(self.info))
