"""Motion put on the avatar."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ditto_core.controls.control import Controls
from ..ditto_core.controls.curve import Clip
from ..ditto_core.controls.text import parse_gains, parse_overall, parse_parts
from ..ditto_core.data import Avatar, Motion
from ..ditto_core.engine import common_engine
from ..ditto_core.options import AmplitudeOf, StitchOptions, VadOn
from .common_inputs import FADE_TYPE, amount_inputs, fade_type_input
from .inputs import AS_CONFIGURED, NO_CONTROLS, chosen
from .option_input import option_inputs
from .sockets import AvatarSocket, ControlsSocket, KeypointsSocket, MotionSocket

DRIVE_EYE = {"auto": None, "on": True, "off": False}
FADES = {
    "fade_in": "Frames over which the motion comes from rest at the start; -1 for no fade.",
    "fade_out": "Frames over which the motion returns to rest at the end; -1 for no fade.",
}
MOVED = {
    "relative_d": "Motion moves the source by its change since the first frame; off replaces the source's. "
    "Ditto only.",
    "flag_stitching": "Join the moving face to the shoulders with the stitch network. Ditto only.",
}
MEANINGS = {
    "vad_on": "What a gate (vad_alpha) below 1 quietens: the lips, or as published the whole expression with "
    "eyes and blinks. Ditto only.",
    "amplitude_of": "What factors of head angles multiply: the degrees, or as published the 66 logits behind "
    "them. Ditto only.",
}
PARTS_TOOLTIP = "Parts are scale, pitch, yaw, roll, t (shift) and exp (expression), with commas between them."


class DittoMotionStitch(io.ComfyNode):
    """Stage four: stitch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoMotionStitch",
            display_name="Ditto Motion Stitch",
            category="Ditto/Stages",
            description="Puts the motion on the avatar: how far mouth and head move, fades, whose blinks.",
            inputs=[
                AvatarSocket.Input("avatar", tooltip="Who moves; the one the motion was drawn for."),
                MotionSocket.Input("motion", tooltip="From Ditto LMDM Sample."),
                *amount_inputs(),
                *option_inputs(StitchOptions, FADES),
                io.Combo.Input(
                    "drive_eye",
                    options=list(DRIVE_EYE),
                    default="auto",
                    tooltip="Blinks: on takes the engine's, off keeps the source's own eyes, auto is on "
                    "for a portrait and off for a video.",
                ),
                *ditto_inputs(),
                io.String.Input(
                    "overall_ctrl_info",
                    default="",
                    optional=True,
                    tooltip="Controls of all frames that have none of their own, such as delta_pitch: 2, "
                    "alpha_yaw: 0.5. Blank as configured (with Ditto the pitch raised by 2 degrees).",
                ),
                ControlsSocket.Input(
                    "controls",
                    optional=True,
                    tooltip="Head pose, fades, expression, eyes, single frames: what they set is used "
                    "instead of the values here.",
                ),
            ],
            outputs=[
                KeypointsSocket.Output(
                    display_name="keypoints", tooltip="Where every point of the face is, for Ditto Warp3D."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        avatar: Avatar,
        motion: Motion,
        mouth_amount: float,
        head_amount: float,
        fade_in: int,
        fade_out: int,
        drive_eye: str,
        use_d_keys: str = "",
        relative_d: bool = StitchOptions.relative_d,
        flag_stitching: bool = StitchOptions.flag_stitching,
        fade_type: str = AS_CONFIGURED,
        fade_out_keys: str = "",
        vad_on: VadOn = StitchOptions.vad_on,
        amplitude_of: AmplitudeOf = StitchOptions.amplitude_of,
        overall_ctrl_info: str = "",
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        options = StitchOptions(
            mouth_amount=mouth_amount,
            head_amount=head_amount,
            fade_in=fade_in,
            fade_out=fade_out,
            drive_eye=chosen("drive_eye", drive_eye, DRIVE_EYE),
            use_d_keys=parse_gains(use_d_keys),
            relative_d=relative_d,
            flag_stitching=flag_stitching,
            fade_type=chosen("fade_type", fade_type, FADE_TYPE),
            fade_out_keys=parse_parts(fade_out_keys),
            vad_on=vad_on,
            amplitude_of=amplitude_of,
            overall_ctrl_info=parse_overall(overall_ctrl_info),
        )
        options = controls.stitch(options, Clip(len(motion.values), motion.fps))
        engine = common_engine(avatar, motion)
        return io.NodeOutput(engine.stitch(avatar, motion, options))


def ditto_inputs() -> list[Any]:
    """What only Ditto heeds."""
    return [
        io.String.Input(
            "use_d_keys",
            default="",
            optional=True,
            tooltip="Parts of motion that speech drives, with factors if wanted: exp: 1.2, pitch: 0.5. "
            f"Blank: all but scale for a portrait, exp for a clip. {PARTS_TOOLTIP} Ditto only.",
        ),
        *option_inputs(StitchOptions, MOVED, optional=True),
        fade_type_input(
            "What fades begin and end in: d0 the first frame, s the source, none no fades. Ditto only; Lite "
            "fades to the source at rest.",
            optional=True,
        ),
        io.String.Input(
            "fade_out_keys",
            default="",
            optional=True,
            tooltip=f"Parts of motion that fade; blank as configured (exp). {PARTS_TOOLTIP} Ditto only.",
        ),
        *option_inputs(StitchOptions, MEANINGS, optional=True),
    ]
