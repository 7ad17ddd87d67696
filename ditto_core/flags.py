"""The flags of the command line: each sets one field of one stage's options.

Defaults and limits stay with the options; how a value is typed is in `flag_values`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from .blend.superres_plan import Method, When
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
from .ditto.emotion import EMOTIONS
from .engine import Engine
from .errors import InputError
from .flag_values import (
    boolean,
    emotion,
    face,
    fade_type,
    frame_numbers,
    frames_file,
    number,
    one_of,
    or_auto,
    said,
    superres_method,
)
from .host import Host
from .models.execution import PRECISIONS
from .options import (
    BLEND_MODES,
    LARGEST_BLINK_RATE,
    AmplitudeOf,
    CustomFormula,
    FaceChoice,
    FaceNetworks,
    VadOn,
    as_fps,
)
from .talking_head import TalkOptions

Parser = Callable[[str], Any]
Values = Mapping[tuple[str, str], Any]
"""Values by (part of `TalkOptions`, field)."""

NOT_GIVEN = object()
"""The value of a flag that was not typed."""


@dataclass(frozen=True)
class Flag:
    """`--name VALUE`, which sets `field` (the name's own unless given) of one part of `TalkOptions`."""

    part: str
    name: str
    parse: Parser
    value: str
    help: str
    field: str = ""

    @property
    def target(self) -> tuple[str, str]:
        return self.part, self.field or self.name

    @property
    def default(self) -> Any:
        part, name = self.target
        return getattr(getattr(TalkOptions(), part), name)


_WORDS = f"{', '.join(EMOTIONS)}; several with +"
_SUPERRES = f"enhance the rendered face: {', '.join(get_args(Method))}"
_WHEN = "auto (where the frame has more pixels than were rendered), always or never"

FLAGS: dict[str, tuple[Flag, ...]] = {
    "source": (
        Flag("avatar", "max_size", int, "N", "longest side in pixels; larger sources are scaled down"),
        Flag("avatar", "face", face, "RULE", "largest, from-left:N (0 first) or nearest:X,Y (0..1)"),
        Flag("avatar", "template_n_frames", int, "N", "frames used of a source video, -1 for all"),
        Flag("avatar", "crop_scale", float, "X", "side of the face crop, relative to the face"),
        Flag("avatar", "crop_vx_ratio", float, "X", "crop moved right, as a fraction of its side"),
        Flag("avatar", "crop_vy_ratio", float, "X", "crop moved down, as a fraction of its side"),
        Flag("avatar", "crop_do_rotate", boolean, "true|false", "turn the crop upright with the face"),
    ),
    "motion": (
        Flag("motion", "seed", int, "N", "the same seed, 0 to 2**64-1, gives the same motion"),
        Flag("motion", "fps", as_fps, "N", "frames a second of the result"),
        Flag("motion", "blinks", boolean, "true|false", "let the eyes blink"),
        Flag("stitch", "mouth_amount", float, "X", "how far the mouth moves, 0..2"),
        Flag("stitch", "head_amount", float, "X", "how far the head moves, 0..2"),
        Flag("stitch", "fade_in", int, "N", "frames in which motion begins, -1 for none"),
        Flag("stitch", "fade_out", int, "N", "frames in which motion ends, -1 for none"),
        Flag("motion", "blink_rate", or_auto(number(float, 0, LARGEST_BLINK_RATE)), "X", "blinks a minute"),
        Flag("motion", "blink_times", or_auto(said(parse_seconds)), "X,...", "seconds at which blinks begin"),
        Flag("stitch", "ctrl_info", frames_file, "FILE", "controls of single frames, as JSON"),
        Flag(
            "stitch",
            "overall_ctrl_info",
            or_auto(said(parse_overall)),
            "KEY:X,...",
            "controls of all other frames, such as delta_pitch:2",
        ),
        Flag(
            "stitch",
            "drive_eye",
            or_auto(boolean),
            "auto|true|false",
            "driven (true) or the source's own eyes (false); auto: not driven in a video",
        ),
    ),
    "motion with Ditto": (
        Flag(
            "avatar", "smo_k_s", number(int, 1, 10_000), "N", "frames a video's own motion is averaged over"
        ),
        Flag("avatar", "motion_frames", int, "N", "neutral frames at a video's start to draw motion for"),
        Flag("motion", "sampling_timesteps", number(int, 1, 1000), "N", "diffusion steps: quality, time"),
        Flag("motion", "overlap_v2", number(int, 0, 79), "N", "frames two windows share: smoothness"),
        Flag("motion", "smo_k_d", number(int, 1, 79), "N", "frames head motion is averaged over, 1 for none"),
        Flag("motion", "emo", or_auto(emotion), "NAME|N", _WORDS),
        Flag(
            "motion",
            "eye_f0_mode",
            boolean,
            "true|false",
            "with driven eyes: draw motion for those of the first frame",
        ),
        Flag("motion", "reference_character", boolean, "true|false", "draw motion for the published face"),
        Flag(
            "motion",
            "delta_eye_open_n",
            frame_numbers,
            "N,...",
            "frames between blinks, 0 at random, -1 for no blinks",
        ),
        Flag(
            "stitch",
            "use_d_keys",
            or_auto(said(parse_gains)),
            "KEY,...",
            "driven parts: exp,pitch or exp:1.2,t:0.5",
        ),
        Flag("stitch", "relative_d", boolean, "true|false", "motion counts from its first frame on"),
        Flag("stitch", "flag_stitching", boolean, "true|false", "join face and shoulders"),
        Flag("stitch", "fade_type", or_auto(fade_type), "NAME", "fade to d0 (first frame), s (source), none"),
        Flag("stitch", "fade_out_keys", or_auto(parse_parts), "KEY,...", "parts of motion that fade"),
        Flag(
            "stitch",
            "vad_on",
            one_of(get_args(VadOn)),
            "NAME",
            f"what vad_alpha quietens: {', '.join(get_args(VadOn))}",
        ),
        Flag(
            "stitch",
            "amplitude_of",
            one_of(get_args(AmplitudeOf)),
            "NAME",
            f"what alpha_pitch, ... scale: {', '.join(get_args(AmplitudeOf))}",
        ),
        Flag(
            "avatar",
            "face_networks",
            one_of(get_args(FaceNetworks)),
            "NAME",
            "who finds the face: official (InsightFace's det_10g and 2d106det, for non-commercial use only), "
            "built-in, auto (official when installed)",
        ),
    ),
    "result": (
        Flag("blend", "blend_mode", one_of(BLEND_MODES), "NAME", ", ".join(BLEND_MODES), "mode"),
        Flag("blend", "blend_alpha", or_auto(float), "X", "opacity of blend mode custom, 0..1", "alpha"),
        Flag(
            "blend",
            "custom_formula",
            one_of(get_args(CustomFormula)),
            "NAME",
            f"how blend mode custom blends: {', '.join(get_args(CustomFormula))}",
        ),
        Flag("blend", "blend_amount", float, "X", "rendered face against the source, 0..1", "amount"),
        Flag("blend", "feather", float, "X", "soft border, as a fraction of the crop, 0..0.5"),
        Flag("superres", "superres", superres_method, "NAME", _SUPERRES, "method"),
        Flag("superres", "superres_model", or_auto(Path), "FILE", "another network for it", "model"),
        Flag("superres", "superres_when", one_of(get_args(When)), "NAME", _WHEN, "when"),
        Flag("superres", "superres_fidelity", float, "X", "CodeFormer's: 0 finest .. 1 true", "fidelity"),
        Flag("superres", "superres_strength", float, "X", "how much of it is shown, 0..1", "strength"),
        Flag("superres", "superres_steadiness", int, "N", "against flicker, 0..8 frames", "steadiness"),
        Flag("superres", "superres_precision", one_of(PRECISIONS), "NAME", "fp32, fp16, bf16", "precision"),
        Flag("video", "codec", str, "NAME", "h264, hevc, vp9 or av1"),
        Flag("video", "crf", int, "N", "quality, 0 (best) to 51"),
        Flag("video", "preset", str, "NAME", "speed against size, from ultrafast to veryslow"),
        Flag("video", "pixel_format", str, "NAME", "yuv420p plays everywhere"),
        Flag("video", "audio_codec", str, "NAME", "aac, opus, or auto for what suits the file"),
        Flag("video", "audio_bitrate", int, "N", "bits a second"),
    ),
}

_CURVE = said(Curve.parse)
_HEAD = ("pitch", "yaw", "roll", "pitch_amount", "yaw_amount", "roll_amount")
_GAZE = ("gaze_x", "gaze_y")
_LITE_TURNS = "; Lite turns pictures only, 5 degrees either way"

CONTROLS: dict[str, tuple[Parser, str, str]] = {
    "emotion_schedule": (said(parse_emotion_schedule), "TEXT", "emotions in turn: '0: neutral, 3s: happy'"),
    "emotion_fade": (
        number(float, 0, 60),
        "X",
        f"seconds in which one of them replaces the other ({EMOTION_FADE})",
    ),
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
        help=f"{flag.help} (default: {as_typed(default)})",
    )


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
