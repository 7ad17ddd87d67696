"""A picture of the motion over the sound it goes with."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Keypoints, Motion
from ..ditto_core.media.plot import plot_motion
from .common_inputs import diagram_inputs
from .outputs import image_from
from .sockets import KeypointsSocket, MotionSocket


class DittoPlotMotion(io.ComfyNode):
    """Motion to a diagram."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoPlotMotion",
            display_name="Ditto Plot Motion",
            category="Ditto/Output",
            description="Draws the motion of mouth, eyes and head over the waveform of the speech.",
            inputs=[
                io.MultiType.Input(
                    "motion",
                    types=[MotionSocket, KeypointsSocket],
                    tooltip="Motion from Ditto LMDM Sample, or keypoints from Ditto Motion Stitch: these "
                    "show the motion after amounts and fades.",
                ),
                *diagram_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="plot", tooltip="For Preview Image or Save Image."),
            ],
        )

    @classmethod
    def execute(cls, motion: Motion | Keypoints, width: int, height: int) -> io.NodeOutput:
        shown = motion.motion if isinstance(motion, Keypoints) else motion
        return io.NodeOutput(image_from(plot_motion(shown, width, height)))
