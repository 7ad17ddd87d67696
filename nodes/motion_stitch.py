"""Motion put on the avatar."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Avatar, Motion, StitchOptions
from ..ditto_core.engine import common_engine
from .inputs import chosen
from .sockets import AvatarSocket, KeypointsSocket, MotionSocket

DRIVE_EYE = {"auto": None, "on": True, "off": False}
MOUTH_TOOLTIP = "How far the mouth moves: 0 stays shut, 1 natural, 2 exaggerated."
HEAD_TOOLTIP = "How far the head moves: 0 keeps it still, 1 natural, 2 exaggerated."


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
                io.Float.Input(
                    "mouth_amount",
                    default=StitchOptions.mouth_amount,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=MOUTH_TOOLTIP,
                ),
                io.Float.Input(
                    "head_amount",
                    default=StitchOptions.head_amount,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=HEAD_TOOLTIP,
                ),
                io.Int.Input(
                    "fade_in",
                    default=StitchOptions.fade_in,
                    min=-1,
                    max=10_000,
                    tooltip="Frames over which the motion comes from rest at the start; -1 for no fade.",
                ),
                io.Int.Input(
                    "fade_out",
                    default=StitchOptions.fade_out,
                    min=-1,
                    max=10_000,
                    tooltip="Frames over which the motion returns to rest at the end; -1 for no fade.",
                ),
                io.Combo.Input(
                    "drive_eye",
                    options=list(DRIVE_EYE),
                    default="auto",
                    tooltip="Blinks: on takes the engine's, off keeps the source's own eyes, auto is on "
                    "for a portrait and off for a video.",
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
    ) -> io.NodeOutput:
        options = StitchOptions(
            mouth_amount, head_amount, fade_in, fade_out, chosen("drive_eye", drive_eye, DRIVE_EYE)
        )
        engine = common_engine(avatar, motion)
        return io.NodeOutput(engine.stitch(avatar, motion, options))
