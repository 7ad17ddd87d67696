"""What a user may choose: one frozen dataclass for each stage's options, with their limits and defaults.

The names are those of Ditto's documents where these have one. Limits and choices stand in the annotations,
from which nodes, flags and help take them, see `limits`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational
from typing import Annotated, Any, Final, Literal, SupportsIndex, TypeAlias, get_args

from .control_info import MOTION_PARTS, ControlInfo, FrameControl, check_control, check_info, fading_parts
from .emotion import EmotionChoice, emotion_table
from .errors import InputError, check_whole
from .limits import SHARE, Limits, check_fields

FaceRule = Literal["largest", "from left", "nearest"]
FaceNetworks = Literal["auto", "official", "built-in"]
FadeTarget = Literal["", "d0", "s"]
VadOn = Literal["lips", "expression"]
AmplitudeOf = Literal["degrees", "logits"]
BlendMode = Literal["blend", "replace", "strong", "weak", "custom"]
CustomFormula = Literal["opacity", "published"]
BLEND_MODES: tuple[BlendMode, ...] = get_args(BlendMode)

FRAME_RATE = Limits(1, 120)
FRAME_COUNT = Limits(-1, 1_000_000)
FADE = Limits(-1, 10_000)
AMOUNT = Limits(0, 2)
FACTOR = Limits(-100, 100)
BLINK_GAP = Limits(-1, 1_000_000)
BLINK_TIME = Limits(0, 1_000_000)

AUTO: Final = "auto"
"""Of engines, runners, precisions and devices: what suits best."""

BlinkGaps: TypeAlias = SupportsIndex | Sequence[SupportsIndex]


@dataclass(frozen=True)
class FaceChoice:
    """Which face to animate when there are several.

    `largest`; `from left` takes number `index` counted from 0 at the left; `nearest` takes the one
    closest to `point`, given as fractions (x, y) of the picture's width and height.
    """

    rule: FaceRule = "largest"
    index: Annotated[int, Limits(0, 999)] = 0
    point: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        check_fields(self, "face")
        _check_kind("face point", self.point, Collection, "two fractions of the picture, such as (0.5, 0.5)")
        object.__setattr__(self, "point", tuple(self.point))
        if len(self.point) != 2:
            raise InputError(f"face point holds {len(self.point)} numbers; it must be x and y.")
        for axis, share in zip("xy", self.point, strict=True):
            SHARE.check(f"The {axis} of the point in the picture", share)


@dataclass(frozen=True)
class AvatarOptions:
    """How a source is registered.

    max_size: longest side in pixels, larger sources are scaled down. template_n_frames: frames used of a
    video, -1 for all. crop_scale, crop_vx_ratio, crop_vy_ratio, crop_do_rotate: the square face crop
    (side relative to the face's extent, offset in fractions of the side, upright or not).

    Ditto only: smo_k_s: frames over which a video's own motion is averaged, 1 for none. motion_frames: how
    many frames at a video's start show a neutral mouth; the face's own expression is then taken from them
    in all frames, -1 takes each frame's own. face_networks: who finds the face, the official files or the
    built-in mesh; auto takes the official ones when they are there.
    """

    max_size: Annotated[int, Limits(64, 16_384)] = 1920
    template_n_frames: Annotated[int, FRAME_COUNT] = -1
    crop_scale: Annotated[float, Limits(1, 5)] = 2.3
    crop_vx_ratio: Annotated[float, Limits(-1, 1)] = 0.0
    crop_vy_ratio: Annotated[float, Limits(-1, 1)] = -0.125
    crop_do_rotate: bool = True
    face: FaceChoice = field(default_factory=FaceChoice)
    smo_k_s: Annotated[int, Limits(1, 10_000)] = 13
    motion_frames: Annotated[int, FRAME_COUNT] = -1
    face_networks: FaceNetworks = "auto"

    def __post_init__(self) -> None:
        check_fields(self)
        _check_kind("face", self.face, FaceChoice, "a FaceChoice")
        for name, none in (("template_n_frames", "all frames"), ("motion_frames", "off")):
            if getattr(self, name) == 0:
                raise InputError(f"{name} is 0; it must be -1 ({none}) or at least 1.")


@dataclass(frozen=True)
class MotionOptions:
    """How motion is drawn from speech. The same seed, 0 to 2**64 - 1, gives the same motion on every device.

    blink_rate: blinks a minute, in clips of any length; None for the engine's own. blink_times: seconds at
    which blinks begin, instead.

    Ditto only: sampling_timesteps: steps of diffusion. overlap_v2: frames shared by two windows of 80.
    smo_k_d: frames over which head motion is averaged, 1 for none. emo: the emotion, None for the
    configuration's. eye_f0_mode: the eyes that motion is drawn for stay as in the first frame.
    reference_character: draw motion for the configuration's reference face, as published, not for the
    source's own. delta_eye_open_n: frames between blinks, 0 at random, a list used over and over, where
    neither rate nor times are given.
    """

    seed: Annotated[int, Limits(0, 2**64 - 1)] = 0
    fps: Annotated[Fraction, FRAME_RATE] = Fraction(25)
    blinks: bool = True
    sampling_timesteps: Annotated[int, Limits(1, 1000)] = 50
    overlap_v2: Annotated[int, Limits(0, 79)] = 10
    smo_k_d: Annotated[int, Limits(1, 79)] = 3
    emo: EmotionChoice | None = None
    eye_f0_mode: bool = False
    reference_character: bool = True
    delta_eye_open_n: BlinkGaps = 0
    blink_rate: Annotated[float, Limits(0, 120)] | None = None
    blink_times: Sequence[float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _plain(self.seed))  # a plain int is what chance takes
        object.__setattr__(self, "fps", as_fps(self.fps))
        check_fields(self)
        if self.emo is not None:
            emotion_table(self.emo)
        _check_gaps(self.delta_eye_open_n)
        if self.blink_times is not None:
            _check_kind("blink_times", self.blink_times, Sequence, "a list of seconds")
            for seconds in self.blink_times:
                BLINK_TIME.check("The time of a blink in seconds", seconds)


@dataclass(frozen=True)
class StitchOptions:
    """How sampled motion is put on the avatar.

    mouth_amount scales the mouth's movement, head_amount the head's (0 keeps it still). fade_in and
    fade_out are frames over which the motion comes from and returns to rest, -1 for none. drive_eye None
    means: blinks from the engine for a picture, from the person for a video. ctrl_info: controls of single
    frames; overall_ctrl_info: of all others. None means what Ditto's configuration says, which is given in
    brackets (overall_ctrl_info: pitch raised by 2 degrees).

    Ditto only: use_d_keys: the driven parts of motion, with factors if wanted (a picture: expression, pose
    and shift; a video: expression). relative_d: motion counts from its first frame on, instead of replacing
    the source's. flag_stitching: join face and shoulders. fade_type: fades end in "d0" the first frame
    (this), "s" the source, "" nowhere. fade_out_keys: the parts that fade (the expression). vad_on,
    amplitude_of: see `ditto.stitch.StitchRules`.
    """

    mouth_amount: Annotated[float, AMOUNT] = 1.0
    head_amount: Annotated[float, AMOUNT] = 1.0
    fade_in: Annotated[int, FADE] = -1
    fade_out: Annotated[int, FADE] = -1
    drive_eye: bool | None = None
    use_d_keys: Mapping[str, float] | Sequence[str] | None = None
    relative_d: bool = True
    flag_stitching: bool = True
    fade_type: FadeTarget | None = None
    fade_out_keys: Sequence[str] | None = None
    ctrl_info: ControlInfo = field(default_factory=dict[int, FrameControl])
    overall_ctrl_info: FrameControl | None = None
    vad_on: VadOn = "lips"
    amplitude_of: AmplitudeOf = "degrees"

    def __post_init__(self) -> None:
        check_fields(self)
        _check_driven(self.use_d_keys)
        fading_parts(self.fade_out_keys, "fade_out_keys")
        check_info(self.ctrl_info)
        if self.overall_ctrl_info is not None:
            check_control(self.overall_ctrl_info, "overall_ctrl_info")


@dataclass(frozen=True)
class BlendOptions:
    """How the rendered face is put back: amount 0 (original) .. 1 (rendered); feather as a fraction
    of the crop's shorter side over which the rendered face fades out at its border.

    mode: what the feathered mask is turned into (`blend.masks.blend_mask`); alpha: the opacity of mode
    custom; custom_formula: what it does with it.
    """

    amount: Annotated[float, SHARE] = 1.0
    feather: Annotated[float, Limits(0, 0.5)] = 0.05
    mode: BlendMode = "blend"
    alpha: Annotated[float, SHARE] | None = None
    custom_formula: CustomFormula = "opacity"

    def __post_init__(self) -> None:
        check_fields(self, "blend")
        if self.mode == "custom" and self.alpha is None:
            raise InputError("The blend mode custom needs an alpha between 0 and 1.")


def as_fps(value: float | str | Fraction) -> Fraction:
    """A frame rate as an exact fraction: 25, 29.97 -> 30000/1001, "30000/1001"."""
    try:
        exact = Fraction(value) if isinstance(value, str) else _exact(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"{value!r} is no frame rate; use a number such as 25.") from error
    ntsc = Fraction(round(exact) * 1000, 1001)
    rounded = exact.denominator > 1 and abs(exact - ntsc) < Fraction(1, 200)
    fps = ntsc if rounded else exact
    fps = fps.limit_denominator(1001)
    FRAME_RATE.check("The frame rate", float(fps))
    return fps


def _exact(number: float | Rational) -> Fraction:
    """Of Python's and of NumPy's numbers."""
    if isinstance(number, Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    return Fraction(float(number))


def _check_kind(name: str, value: object, kind: type | tuple[type, ...], told: str) -> None:
    if isinstance(value, str) or not isinstance(value, kind):
        raise InputError(f"{name} is {value!r}; it must be {told}.")


def _check_driven(parts: Mapping[str, float] | Iterable[str] | None) -> None:
    """Of `use_d_keys`: parts of motion there are, with factors that are numbers."""
    if parts is None:
        return
    _check_kind("use_d_keys", parts, Collection, f"a list of {', '.join(MOTION_PARTS)}, or a factor for each")
    for part in parts:
        if part not in MOTION_PARTS:
            raise InputError(f"use_d_keys names {part!r}, which there is not; use {', '.join(MOTION_PARTS)}.")
        if isinstance(parts, Mapping):
            FACTOR.check(f"The factor of {part} in use_d_keys", parts[part])


def _check_gaps(gaps: BlinkGaps) -> None:
    """Of `delta_eye_open_n`: frames, -1 for no blinks, or a list of frames."""
    several = list(gaps) if isinstance(gaps, Sequence) else [gaps]
    for gap in map(_plain, several):
        check_whole("delta_eye_open_n", gap)
        BLINK_GAP.check("delta_eye_open_n", gap)
    if not several:
        raise InputError("delta_eye_open_n is an empty list; use -1 for no blinks.")
    if len(several) > 1 and -1 in several:
        raise InputError(f"delta_eye_open_n is {gaps!r}; in a list each must be 0 or more frames.")


def _plain(value: Any) -> Any:
    """A whole number of any type as an int; anything else as it is."""
    try:
        return operator.index(value)
    except TypeError:
        return value
