"""What several nodes have, the same wherever it appears: inputs with their ranges and defaults, an output."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ditto_core.engines import ENGINE_NAMES
from ..ditto_core.media.encoders import VideoOptions
from ..ditto_core.options import (
    AUTO,
    LARGEST_SEED,
    AvatarOptions,
    FaceChoice,
    FaceRule,
    MotionOptions,
    StitchOptions,
)
from .inputs import chosen, named
from .sockets import EngineSocket

FACE_RULES = named(FaceRule)


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
    return io.Int.Input(
        "max_size",
        default=AvatarOptions.max_size,
        min=64,
        max=8192,
        step=8,
        tooltip="Longest side of the result in pixels. Larger sources are scaled down.",
    )


def face_inputs(*, optional: bool = False) -> list[Any]:
    """Which of several faces, for `face_choice`."""
    return [
        io.Combo.Input(
            "face",
            options=list(FACE_RULES),
            default=FaceChoice.rule,
            optional=optional,
            tooltip="Which face speaks when there are several: the largest, the one numbered "
            "face_index from the left, or the one nearest to the point face_x, face_y.",
        ),
        io.Int.Input(
            "face_index",
            default=FaceChoice.index,
            min=0,
            max=63,
            optional=optional,
            tooltip="For 'from left': 0 is the leftmost face.",
        ),
        io.Float.Input(
            "face_x",
            default=FaceChoice.point[0],
            min=0.0,
            max=1.0,
            step=0.01,
            optional=optional,
            tooltip="For 'nearest': how far from the left edge, as a fraction of the width.",
        ),
        io.Float.Input(
            "face_y",
            default=FaceChoice.point[1],
            min=0.0,
            max=1.0,
            step=0.01,
            optional=optional,
            tooltip="For 'nearest': how far from the top edge, as a fraction of the height.",
        ),
    ]


def face_choice(face: str, face_index: int, face_x: float, face_y: float) -> FaceChoice:
    """What `face_inputs` say."""
    return FaceChoice(chosen("face", face, FACE_RULES), face_index, (face_x, face_y))


def fps_input(tooltip: str) -> Any:
    """A frame rate."""
    return io.Float.Input(
        "fps", default=float(MotionOptions.fps), min=1.0, max=120.0, step=0.01, tooltip=tooltip
    )


def seed_input() -> Any:
    """What chance goes by."""
    return io.Int.Input(
        "seed",
        default=MotionOptions.seed,
        min=0,
        max=LARGEST_SEED,
        control_after_generate=True,
        tooltip="The same seed gives the same head motion and blinks, on every device.",
    )


def blinks_input() -> Any:
    """Whether a portrait blinks."""
    return io.Boolean.Input("blinks", default=MotionOptions.blinks, tooltip="Let a portrait blink.")


def amount_inputs() -> list[Any]:
    """How far mouth and head move."""
    return [
        io.Float.Input(
            name, default=getattr(StitchOptions, name), min=0.0, max=2.0, step=0.05, tooltip=tooltip
        )
        for name, tooltip in (
            ("mouth_amount", "How far the mouth moves: 0 stays shut, 1 natural, 2 exaggerated."),
            ("head_amount", "How far the head moves: 0 keeps it still, 1 natural, 2 exaggerated."),
        )
    ]


def crf_input() -> Any:
    """The quality of a video."""
    return io.Int.Input(
        "crf",
        default=VideoOptions.crf,
        min=0,
        max=51,
        tooltip="Quality of the picture: 0 is best, 18 looks the same, 28 is small. Lower makes larger "
        "files.",
    )


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
