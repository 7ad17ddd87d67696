"""What several nodes have, the same wherever it appears: inputs with their ranges and defaults, an output."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ditto_core.engines import ENGINE_NAMES
from ..ditto_core.limits import SHARE
from ..ditto_core.media.encoders import VideoOptions
from ..ditto_core.options import (
    AUTO,
    AvatarOptions,
    BlendOptions,
    FaceChoice,
    FaceRule,
    FadeTarget,
    MotionOptions,
    StitchOptions,
)
from .inputs import AS_CONFIGURED
from .option_input import option_input, option_inputs
from .sockets import EngineSocket

FADE_TYPE: dict[str, FadeTarget | None] = {AS_CONFIGURED: None, "d0": "d0", "s": "s", "none": ""}


def source_input() -> Any:
    """The person, as pictures or a video."""
    return io.MultiType.Input(
        "source",
        types=[io.Image, io.Video],
        tooltip="The person: one IMAGE is a portrait; a VIDEO, or a batch of IMAGEs, is a clip whose lips "
        "are replaced.",
    )


def engine_input() -> Any:
    """An engine by name."""
    return io.Combo.Input(
        "engine",
        options=list(ENGINE_NAMES),
        default=AUTO,
        tooltip="auto takes Ditto when its checkpoints are installed, otherwise Lite, and says which on the "
        "node. lite is the built-in draft engine: no download, runs on the CPU. ditto needs the published "
        "checkpoints in models/ditto.",
    )


def engine_output() -> Any:
    """The engine that does the work."""
    return EngineSocket.Output(display_name="engine", tooltip="For Ditto Load Avatar and Ditto Wav2Feat.")


def max_size_input() -> Any:
    """How large sources are at most."""
    told = "Longest side of the result in pixels. Larger sources are scaled down."
    return option_input(AvatarOptions, "max_size", told, step=8)


def face_inputs(*, optional: bool = False) -> list[Any]:
    """Which of several faces, for `face_choice`."""
    return [
        option_input(
            FaceChoice,
            "rule",
            "Which face speaks when there are several: the largest, the one numbered face_index from the "
            "left, or the one nearest to the point face_x, face_y.",
            name="face",
            optional=optional,
        ),
        option_input(
            FaceChoice,
            "index",
            "For 'from left': 0 is the leftmost face.",
            name="face_index",
            optional=optional,
        ),
        *(
            io.Float.Input(
                f"face_{axis}",
                default=FaceChoice.point[number],
                min=float(SHARE.low),
                max=float(SHARE.high),
                step=0.01,
                optional=optional,
                tooltip=f"For 'nearest': how far from the {edge} edge, as a fraction of the {side}.",
            )
            for number, (axis, edge, side) in enumerate((("x", "left", "width"), ("y", "top", "height")))
        ),
    ]


def face_choice(face: FaceRule, face_index: int, face_x: float, face_y: float) -> FaceChoice:
    """What `face_inputs` say."""
    return FaceChoice(face, face_index, (face_x, face_y))


def fps_input(tooltip: str) -> Any:
    """A frame rate."""
    return option_input(MotionOptions, "fps", tooltip, step=0.01)


def seed_input() -> Any:
    """What chance goes by."""
    told = "The same seed gives the same head motion and blinks, on every device."
    return option_input(MotionOptions, "seed", told, control_after_generate=True)


def blinks_input() -> Any:
    """Whether a portrait blinks."""
    return option_input(MotionOptions, "blinks", "Let a portrait blink.")


def amount_inputs() -> list[Any]:
    """How far mouth and head move."""
    told = {
        "mouth_amount": "How far the mouth moves: 0 stays shut, 1 natural, 2 exaggerated.",
        "head_amount": "How far the head moves: 0 keeps it still, 1 natural, 2 exaggerated.",
    }
    return option_inputs(StitchOptions, told, step=0.05)


def fade_type_input(tooltip: str, *, optional: bool = False) -> Any:
    """What fades begin and end in, for `FADE_TYPE`."""
    return io.Combo.Input(
        "fade_type", options=list(FADE_TYPE), default=AS_CONFIGURED, optional=optional, tooltip=tooltip
    )


def blend_inputs() -> list[Any]:
    """The widgets of the blend."""
    return [
        option_input(
            BlendOptions,
            "amount",
            "How much of the rendered face is shown: 0 is the source, 1 the rendered face.",
            step=0.01,
        ),
        option_input(
            BlendOptions,
            "feather",
            "Width of the soft border, as a fraction of the crop's shorter side.",
            step=0.005,
        ),
        option_input(
            BlendOptions,
            "mode",
            "How much of the render is shown in the middle of the face and at the border of its crop. "
            "blend: 100 and 0 percent. replace: 100 and 100, a hard edge. strong: 100 and 50, the edge can "
            "be seen. weak: 50 and 0. custom: alpha and 0.",
            optional=True,
        ),
        option_input(
            BlendOptions,
            "alpha",
            "For mode custom: how much of the render is shown, 0 the original, 1 as in blend.",
            default=1.0,
            step=0.01,
            optional=True,
        ),
        option_input(
            BlendOptions,
            "custom_formula",
            "For mode custom: opacity is a true percentage. published is the official program's: alpha in "
            "the middle, 1 - alpha at the border; at 0.5 the whole crop is half visible, below it is inside "
            "out.",
            optional=True,
        ),
    ]


def crf_input() -> Any:
    """The quality of a video."""
    told = "Quality of the picture: 0 is best, 18 looks the same, 28 is small. Lower makes larger files."
    return option_input(VideoOptions, "crf", told)


def part_inputs() -> list[Any]:
    """Which frames."""
    return [
        io.Int.Input("start", default=0, min=0, max=10_000_000, tooltip="The first frame, counted from 0."),
        io.Int.Input(
            "count", default=-1, min=-1, max=10_000_000, tooltip="How many frames; -1 for all that follow."
        ),
    ]


def diagram_inputs() -> list[Any]:
    """How large a diagram is."""
    return [
        io.Int.Input(
            "width", default=1200, min=400, max=8192, step=8, tooltip="Width of the diagram in pixels."
        ),
        io.Int.Input(
            "height", default=720, min=320, max=8192, step=8, tooltip="Height of the diagram in pixels."
        ),
    ]
