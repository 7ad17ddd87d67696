"""Speech features to motion."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Avatar, MotionOptions, SpeechFeatures, as_fps
from ..ditto_core.engine import common_engine
from .comfy_host import ComfyHost
from .sockets import AvatarSocket, MotionSocket, SpeechSocket

MAX_SEED = 0xFFFF_FFFF_FFFF_FFFF
SEED_TOOLTIP = "The same seed gives the same head motion and blinks, on every device."
BLINKS_TOOLTIP = "Let a portrait blink."


class DittoLMDMSample(io.ComfyNode):
    """Stage three: sample motion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoLMDMSample",
            display_name="Ditto LMDM Sample",
            category="Ditto/Stages",
            description="Draws the motion of face and head that goes with the speech.",
            inputs=[
                AvatarSocket.Input("avatar", tooltip="Who moves, from Ditto Load Avatar."),
                SpeechSocket.Input("speech", tooltip="What is said, from Ditto Wav2Feat."),
                io.Int.Input(
                    "seed",
                    default=MotionOptions.seed,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip=SEED_TOOLTIP,
                ),
                io.Float.Input(
                    "fps",
                    default=float(MotionOptions.fps),
                    min=1.0,
                    max=120.0,
                    step=0.01,
                    tooltip="Frame rate of a portrait's motion. A clip keeps the rate it was loaded with.",
                ),
                io.Boolean.Input("blinks", default=MotionOptions.blinks, tooltip=BLINKS_TOOLTIP),
            ],
            outputs=[
                MotionSocket.Output(
                    display_name="motion", tooltip="One row per frame, for Motion Stitch and Plot Motion."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, avatar: Avatar, speech: SpeechFeatures, seed: int, fps: float, blinks: bool
    ) -> io.NodeOutput:
        options = MotionOptions(seed, avatar.fps or as_fps(fps), blinks)
        engine = common_engine(avatar, speech)
        return io.NodeOutput(engine.sample_motion(avatar, speech, options, ComfyHost()))
