"""What a user may choose: one frozen dataclass for each stage's options, with their limits and defaults.

The names are those of Ditto's documents where these have one.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, SupportsIndex, TypeAlias, get_args

from numpy.typing import NDArray
from torch import Tensor

from .errors import InputError, check_range, check_whole

FaceRule = Literal["largest", "from left", "nearest"]
FaceNetworks = Literal["auto", "official", "built-in"]
FadeTarget = Literal["", "d0", "s"]
VadOn = Literal["lips", "expression"]
AmplitudeOf = Literal["degrees", "logits"]
BlendMode = Literal["blend", "replace", "strong", "weak", "custom"]
CustomFormula = Literal["opacity", "published"]
BLEND_MODES: tuple[BlendMode, ...] = get_args(BlendMode)
LARGEST_SEED = 2**64 - 1
LARGEST_BLINK_RATE = 120
LATEST_BLINK = 1_000_000
MOTION_PARTS = ("scale", "pitch", "yaw", "roll", "t", "exp")

AUTO = "auto"
"""Of engines, runners, precisions and devices: what suits best."""

EmotionLabel: TypeAlias = str | SupportsIndex
EmotionMixture: TypeAlias = EmotionLabel | Sequence[EmotionLabel]
EmotionChoice: TypeAlias = Tensor | NDArray[Any] | EmotionMixture | Sequence[Sequence[EmotionLabel]]
"""One class by name or number, several at once, a list of those a row each, or a table (m, 8)."""

FrameControl: TypeAlias = Mapping[str, Any]
ControlInfo: TypeAlias = Mapping[int, FrameControl] | Mapping[str, FrameControl] | Sequence[FrameControl]
BlinkGaps: TypeAlias = SupportsIndex | Sequence[SupportsIndex]


@dataclass(frozen=True)
class FaceChoice:
    """Which face to animate when there are several.

    `largest`; `from left` takes number `index` counted from 0 at the left; `nearest` takes the one
    closest to `point`, given as fractions (x, y) of the picture's width and height.
    """

    rule: FaceRule = "largest"
    index: int = 0
    point: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        _check_choice("face rule", self.rule, get_args(FaceRule))
        check_whole("The face's index", self.index)
        x, y = self.point
        for name, fraction in (("x", x), ("y", y)):
            check_range(f"The {name} of the point in the picture", fraction, 0, 1)


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

    max_size: int = 1920
    template_n_frames: int = -1
    crop_scale: float = 2.3
    crop_vx_ratio: float = 0.0
    crop_vy_ratio: float = -0.125
    crop_do_rotate: bool = True
    face: FaceChoice = field(default_factory=FaceChoice)
    smo_k_s: int = 13
    motion_frames: int = -1
    face_networks: FaceNetworks = "auto"

    def __post_init__(self) -> None:
        for name in ("max_size", "template_n_frames", "smo_k_s", "motion_frames"):
            check_whole(name, getattr(self, name))
        _check_kind("face", self.face, FaceChoice, "a FaceChoice")
        _check_switch("crop_do_rotate", self.crop_do_rotate)
        if self.smo_k_s < 1:
            raise InputError(f"smo_k_s is {self.smo_k_s}; it must be at least 1 (no smoothing).")
        if self.motion_frames < -1 or self.motion_frames == 0:
            raise InputError("motion_frames must be -1 (off) or at least 1.")
        if self.face_networks not in get_args(FaceNetworks):
            names = ", ".join(get_args(FaceNetworks))
            raise InputError(f"There are no face networks {self.face_networks!r}; use one of {names}.")
        if self.max_size < 64:
            raise InputError(f"max_size is {self.max_size}; it must be at least 64 pixels.")
        if self.template_n_frames < -1 or self.template_n_frames == 0:
            raise InputError("template_n_frames must be -1 (all frames) or at least 1.")
        check_range("crop_scale", self.crop_scale, 1, 5)
        check_range("crop_vx_ratio", self.crop_vx_ratio, -1, 1)
        check_range("crop_vy_ratio", self.crop_vy_ratio, -1, 1)


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

    seed: int = 0
    fps: Fraction = Fraction(25)
    blinks: bool = True
    sampling_timesteps: int = 50
    overlap_v2: int = 10
    smo_k_d: int = 3
    emo: EmotionChoice | None = None
    eye_f0_mode: bool = False
    reference_character: bool = True
    delta_eye_open_n: BlinkGaps = 0
    blink_rate: float | None = None
    blink_times: Sequence[float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", _seed(self.seed))  # a plain int is what chance takes
        object.__setattr__(self, "fps", as_fps(self.fps))
        for name in ("sampling_timesteps", "overlap_v2", "smo_k_d"):
            check_whole(name, getattr(self, name))
        for name in ("blinks", "eye_f0_mode", "reference_character"):
            _check_switch(name, getattr(self, name))
        for seconds in self.blink_times or ():
            check_range("The time of a blink in seconds", seconds, 0, LATEST_BLINK)
        if self.blink_rate is not None:
            check_range("The blink rate", self.blink_rate, 0, LARGEST_BLINK_RATE)
        check_range("sampling_timesteps", self.sampling_timesteps, 1, 1000)
        check_range("overlap_v2", self.overlap_v2, 0, 79)
        check_range("smo_k_d", self.smo_k_d, 1, 79)


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

    mouth_amount: float = 1.0
    head_amount: float = 1.0
    fade_in: int = -1
    fade_out: int = -1
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
        check_range("mouth_amount", self.mouth_amount, 0, 2)
        check_range("head_amount", self.head_amount, 0, 2)
        for name in ("fade_in", "fade_out"):
            check_whole(name, getattr(self, name))
            check_range(name, getattr(self, name), -1, 10_000)
        for name in ("relative_d", "flag_stitching"):
            _check_switch(name, getattr(self, name))
        if self.drive_eye is not None:
            _check_switch("drive_eye", self.drive_eye)
        if self.fade_type is not None:
            _check_choice("fade_type", self.fade_type, get_args(FadeTarget))
        _check_parts("use_d_keys", self.use_d_keys, MOTION_PARTS)
        _check_parts("fade_out_keys", self.fade_out_keys, (*MOTION_PARTS, "kp"))  # kp never fades
        told = "what changes in which frame, such as {25: {'delta_yaw': 5}}"
        _check_kind("ctrl_info", self.ctrl_info, (Mapping, Sequence), told)
        _check_choice("vad_on", self.vad_on, get_args(VadOn))
        _check_choice("amplitude_of", self.amplitude_of, get_args(AmplitudeOf))


@dataclass(frozen=True)
class BlendOptions:
    """How the rendered face is put back: amount 0 (original) .. 1 (rendered); feather as a fraction
    of the crop's shorter side over which the rendered face fades out at its border.

    mode: what the feathered mask is turned into (`blend.masks.blend_mask`); alpha: the opacity of mode
    custom; custom_formula: what it does with it.
    """

    amount: float = 1.0
    feather: float = 0.05
    mode: BlendMode = "blend"
    alpha: float | None = None
    custom_formula: CustomFormula = "opacity"

    def __post_init__(self) -> None:
        _check_choice("blend mode", self.mode, BLEND_MODES)
        _check_choice("custom formula", self.custom_formula, get_args(CustomFormula))
        if self.mode == "custom" and self.alpha is None:
            raise InputError("The blend mode custom needs an alpha between 0 and 1.")
        if self.alpha is not None:
            check_range("The blend alpha", self.alpha, 0, 1)
        check_range("The blend amount", self.amount, 0, 1)
        check_range("The feather", self.feather, 0, 0.5)


def as_fps(value: float | str | Fraction) -> Fraction:
    """A frame rate as an exact fraction: 25, 29.97 -> 30000/1001, "30000/1001"."""
    try:
        exact = Fraction(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"{value!r} is no frame rate; use a number such as 25.") from error
    ntsc = Fraction(round(exact) * 1000, 1001)
    rounded = exact.denominator > 1 and abs(exact - ntsc) < Fraction(1, 200)
    fps = ntsc if rounded else exact
    fps = fps.limit_denominator(1001)
    if not 1 <= fps <= 120:
        raise InputError(f"The frame rate is {float(fps):g}; it must be between 1 and 120.")
    return fps


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        listed = ", ".join(choice or "''" for choice in choices)
        raise InputError(f"There is no {name} {value!r}; use one of {listed}.")


def _check_switch(name: str, value: object) -> None:
    if value not in (True, False):
        raise InputError(f"{name} is {value!r}; it must be True or False.")


def _check_kind(name: str, value: object, kind: type | tuple[type, ...], told: str) -> None:
    if isinstance(value, str) or not isinstance(value, kind):
        raise InputError(f"{name} is {value!r}; it must be {told}.")


def _check_parts(name: str, parts: Iterable[str] | None, known: Sequence[str]) -> None:
    for part in [parts] if isinstance(parts, str) else parts or ():
        if part not in known:
            raise InputError(f"{name} names {part!r}, which there is not; use {', '.join(known)}.")
    if isinstance(parts, str):
        raise InputError(f"{name} is {parts!r}; it must be a list.")


def _seed(value: SupportsIndex) -> int:
    try:
        seed = operator.index(value)
    except TypeError:
        seed = -1
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"The seed is {value!r}; it must be a whole number from 0 to {LARGEST_SEED}.")
    return seed
