"""The flags of the command line: each sets one field of one stage's options.

Defaults, limits and choices stay with the options; how a value is typed is in `flag_values`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from .controls.control import Controls
from .controls.curve import Between, Curve
from .controls.parts import EMOTION_FADE, EmotionSchedule, Expression, Eyes, HeadPose
from .controls.text import (
    parse_emotion_schedule,
    parse_gains,
    parse_overall,
    parse_parts,
    parse_seconds,
)
from .emotion import EMOTIONS
from .engine import Engine
from .errors import InputError
from .flag_values import (
    boolean,
    decimal,
    emotion,
    face,
    fade_type,
    frame_numbers,
    frames_file,
    one_of,
    or_auto,
    said,
    superres_method,
    whole,
)
from .host import Host
from .limits import Kind, kinds
from .options import FaceChoice, as_fps
from .talking_head import TalkOptions

Parser = Callable[[str], Any]
Values = Mapping[tuple[str, str], Any]
"""Values by (part of `TalkOptions`, field)."""

NOT_GIVEN = object()
"""The value of a flag that was not typed."""

_TYPED: dict[object, tuple[Parser, str]] = {
    bool: (boolean, "true|false"),
    int: (whole, "N"),
    float: (decimal, "X"),
    str: (str, "NAME"),
}
"""How values of each type are typed, and what help calls one."""


@dataclass(frozen=True)
class Flag:
    """`--name VALUE`, which sets `field` (the name's own unless given) of one part of `TalkOptions`.

    typed: how its value is typed, and what help calls it, where the field's kind does not say that.
    """

    part: str
    name: str
    help: str
    typed: tuple[Parser, str] | None = None
    field: str = ""

    @property
    def target(self) -> tuple[str, str]:
        return self.part, self.field or self.name

    @property
    def default(self) -> Any:
        part, name = self.target
        return getattr(getattr(TalkOptions(), part), name)

    @property
    def kind(self) -> Kind:
        part, name = self.target
        options: object = getattr(TalkOptions(), part)
        return kinds(type(options))[name]

    @property
    def parse(self) -> Parser:
        parse, _ = self.typed or _TYPED[self.kind.type]
        return or_auto(parse) if self.kind.optional else parse

    @property
    def value(self) -> str:
        return (self.typed or _TYPED[self.kind.type])[1]


FLAGS: dict[str, tuple[Flag, ...]] = {
    "source": (
        Flag("avatar", "max_size", "longest side in pixels; larger sources are scaled down"),
        Flag("avatar", "face", "largest, from-left:N (0 first) or nearest:X,Y (0..1)", (face, "RULE")),
        Flag("avatar", "template_n_frames", "frames used of a source video, -1 for all"),
        Flag("avatar", "crop_scale", "side of the face crop, relative to the face"),
        Flag("avatar", "crop_vx_ratio", "crop moved right, as a fraction of its side"),
        Flag("avatar", "crop_vy_ratio", "crop moved down, as a fraction of its side"),
        Flag("avatar", "crop_do_rotate", "turn the crop upright with the face"),
    ),
    "motion": (
        Flag("motion", "seed", "the same seed gives the same motion"),
        Flag("motion", "fps", "frames a second of the result", (as_fps, "N")),
        Flag("motion", "blinks", "let the eyes blink"),
        Flag("stitch", "mouth_amount", "how far the mouth moves"),
        Flag("stitch", "head_amount", "how far the head moves"),
        Flag("stitch", "fade_in", "frames in which motion begins, -1 for none"),
        Flag("stitch", "fade_out", "frames in which motion ends, -1 for none"),
        Flag("motion", "blink_rate", "blinks a minute"),
        Flag("motion", "blink_times", "seconds at which blinks begin", (said(parse_seconds), "X,...")),
        Flag("stitch", "ctrl_info", "controls of single frames, as JSON", (frames_file, "FILE")),
        Flag(
            "stitch",
            "overall_ctrl_info",
            "controls of all other frames, such as delta_pitch:2",
            (said(parse_overall), "KEY:X,..."),
        ),
        Flag(
            "stitch",
            "drive_eye",
            "driven (true) or the source's own eyes (false); auto: not driven in a video",
            (boolean, "auto|true|false"),
        ),
    ),
    "motion with Ditto": (
        Flag("avatar", "smo_k_s", "frames a video's own motion is averaged over, 1 for none"),
        Flag("avatar", "motion_frames", "neutral frames at a video's start to draw motion for, -1 for none"),
        Flag("motion", "sampling_timesteps", "diffusion steps: quality, time"),
        Flag("motion", "overlap_v2", "frames two windows share: smoothness"),
        Flag("motion", "smo_k_d", "frames head motion is averaged over, 1 for none"),
        Flag("motion", "emo", f"{', '.join(EMOTIONS)}; several with +", (emotion, "NAME|N")),
        Flag("motion", "eye_f0_mode", "with driven eyes: draw motion for those of the first frame"),
        Flag("motion", "reference_character", "draw motion for the published face"),
        Flag(
            "motion",
            "delta_eye_open_n",
            "frames between blinks, 0 at random, -1 for no blinks",
            (frame_numbers, "N,..."),
        ),
        Flag(
            "stitch",
            "use_d_keys",
            "driven parts: exp,pitch or exp:1.2,t:0.5",
            (said(parse_gains), "KEY,..."),
        ),
        Flag("stitch", "relative_d", "motion counts from its first frame on"),
        Flag("stitch", "flag_stitching", "join face and shoulders"),
        Flag("stitch", "fade_type", "fade to d0 (first frame) or s (source)", (fade_type, "NAME")),
        Flag("stitch", "fade_out_keys", "parts of motion that fade", (parse_parts, "KEY,...")),
        Flag("stitch", "vad_on", "what vad_alpha quietens"),
        Flag("stitch", "amplitude_of", "what alpha_pitch, ... scale"),
        Flag(
            "avatar",
            "face_networks",
            "who finds the face; official: InsightFace's det_10g and 2d106det, for non-commercial use only; "
            "auto: official when installed",
        ),
    ),
    "result": (
        Flag("blend", "blend_mode", "where how much of the rendered face is shown", field="mode"),
        Flag("blend", "blend_alpha", "opacity of blend mode custom", field="alpha"),
        Flag("blend", "custom_formula", "how blend mode custom blends"),
        Flag("blend", "blend_amount", "rendered face against the source", field="amount"),
        Flag("blend", "feather", "soft border, as a fraction of the crop"),
        Flag("superres", "superres", "enhance the rendered face", (superres_method, "NAME"), "method"),
        Flag("superres", "superres_model", "another network for it", (Path, "FILE"), "model"),
        Flag(
            "superres",
            "superres_when",
            "auto: where the frame has more pixels than were rendered",
            field="when",
        ),
        Flag("superres", "superres_fidelity", "CodeFormer's: 0 finest, 1 true", field="fidelity"),
        Flag("superres", "superres_strength", "how much of it is shown", field="strength"),
        Flag("superres", "superres_steadiness", "frames averaged against flicker", field="steadiness"),
        Flag("superres", "superres_precision", "what its networks calculate in", field="precision"),
        Flag("video", "codec", "how the picture is compressed; h264 plays everywhere"),
        Flag("video", "crf", "quality, 0 is the best"),
        Flag("video", "preset", "speed against size"),
        Flag("video", "pixel_format", "yuv420p plays everywhere"),
        Flag("video", "audio_codec", "auto: what suits the file"),
        Flag("video", "audio_bitrate", "bits a second"),
    ),
}

_CURVE = said(Curve.parse)
_HEAD = ("pitch", "yaw", "roll", "pitch_amount", "yaw_amount", "roll_amount")
_GAZE = ("gaze_x", "gaze_y")
_LITE_TURNS = "; Lite turns pictures only, 5 degrees either way"

CONTROLS: dict[str, tuple[Parser, str, str]] = {
    "emotion_schedule": (said(parse_emotion_schedule), "TEXT", "emotions in turn: '0: neutral, 3s: happy'"),
    "emotion_fade": (decimal, "X", f"seconds in which one of them replaces the other ({EMOTION_FADE})"),
    "gate": (_CURVE, "CURVE", "how much the lips follow the speech, 0..1"),
    **{name: (_CURVE, "CURVE", f"degrees added to the head's {name}{_LITE_TURNS}") for name in _HEAD[:3]},
    **{name: (_CURVE, "CURVE", f"factor of the head's {name.partition('_')[0]}") for name in _HEAD[3:]},
    "gaze_x": (_CURVE, "CURVE", "gaze to the picture's right, -30..30"),
    "gaze_y": (_CURVE, "CURVE", "gaze up, -30..30"),
    "between": (
        one_of(get_args(Between)),
        "NAME",
        "from keyframe to keyframe of these curves: smooth eases, linear goes straight, hold jumps (smooth)",
    ),
}
"""Flags for what changes over time: a number, or keyframes at frames and seconds such as '0: 0, 1.5s: 8'."""

_SET_BY_OTHERS = {
    "emotion_schedule": "emo",
    "emotion_fade": "emo",
    **dict.fromkeys(_GAZE, "delta_exp"),
    **dict.fromkeys(("runner", "precision", "compile"), "execution"),
}
"""What flags besides `FLAGS` set, where that is something that an engine may ignore."""

BY_NAME = {flag.name: flag for flags in FLAGS.values() for flag in flags}


def ignored(engine: Engine, names: Iterable[str]) -> list[str]:
    """Those of the flags that change nothing with this engine."""

    def option(name: str) -> str:
        return BY_NAME[name].target[1] if name in BY_NAME else _SET_BY_OTHERS.get(name, "")

    return [name for name in names if option(name) in engine.ignores]


def tell_ignored(engine: Engine, names: Sequence[str], host: Host) -> None:
    """Tell the user which of what he gave changes nothing with this engine."""
    if names:
        effect = "it takes effect" if len(names) == 1 else "they take effect"
        host.notice(f"{engine.label} does not use {', '.join(names)}; with Ditto {effect}.")


def add_flag(group: Any, flag: Flag, default: object) -> None:
    """Put a flag into a parser or a group of one; `default` is what its help says."""
    group.add_argument(
        f"--{flag.name}",
        type=flag.parse,
        default=NOT_GIVEN,
        metavar=flag.value,
        help=f"{flag.help} ({_values(flag.kind)}default: {as_typed(default)})",
    )


def _values(kind: Kind) -> str:
    """What a flag takes, for its help."""
    auto = ["auto"] if kind.optional else []
    if kind.limits:
        return " or ".join([*auto, f"{kind.limits.low} to {kind.limits.high}"]) + "; "
    return ", ".join([*auto, *map(as_typed, kind.choices)]) + "; " if kind.choices else ""


def typed_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The flags that were typed, with their values."""
    return {
        name: value for name, value in vars(arguments).items() if name in BY_NAME and value is not NOT_GIVEN
    }


def add_controls(parser: argparse.ArgumentParser) -> None:
    """The flags for what changes over time."""
    group = parser.add_argument_group("over time", "CURVE is a number or '0: 0, 1.5s: 8, 60: -3'")
    for name, (parse, value, told) in CONTROLS.items():
        group.add_argument(f"--{name}", type=parse, metavar=value, help=told)


def typed_controls(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of `CONTROLS` that were typed, with their values."""
    return {name: value for name in CONTROLS if (value := getattr(arguments, name)) is not None}


def as_controls(typed: Mapping[str, Any]) -> Controls:
    """What `typed_controls` gave as controls."""
    between = typed.get("between", "smooth")

    def curves(names: Iterable[str]) -> dict[str, Any]:
        return {name: replace(typed[name], between=between) for name in names if name in typed}

    head, gaze, gate = curves(_HEAD), curves(_GAZE), curves(("gate",))
    if "emotion_fade" in typed and "emotion_schedule" not in typed:
        raise InputError("--emotion_fade is about --emotion_schedule; add it or leave this out.")
    if "between" in typed and not (head or gaze or gate):
        raise InputError("--between is about curves such as --yaw; add one or leave this out.")
    controls = Controls()
    if "emotion_schedule" in typed:
        fade = typed.get("emotion_fade", EMOTION_FADE)
        controls = controls.plus(EmotionSchedule(typed["emotion_schedule"], fade))
    controls = controls.plus(Expression(**gate)) if gate else controls
    controls = controls.plus(HeadPose(**head)) if head else controls
    return controls.plus(Eyes(**gaze)) if gaze else controls


def by_target(values: Mapping[str, Any]) -> Values:
    """Flags by name as the fields they set."""
    return {BY_NAME[name].target: value for name, value in values.items()}


def with_values(options: TalkOptions, values: Values) -> TalkOptions:
    """The options with some fields replaced, each part's at once: some are checked together."""
    for part in {part for part, _ in values}:
        changed = {field: value for (other, field), value in values.items() if other == part}
        options = replace(options, **{part: replace(getattr(options, part), **changed)})
    return options


def as_typed(value: object) -> str:
    """A default as the user would type it."""
    if isinstance(value, FaceChoice):
        return value.rule
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "auto"
    return str(value) if value or value == 0 else "none"
