"""Motion as a tensor that other nodes can change, and back."""

from __future__ import annotations

from comfy_api.latest import Input, io

from ..ditto_core.data import Motion
from ..ditto_core.exchange import motion_from_tensor, motion_to_tensor
from .sockets import MotionSocket


class DittoMotionToTensor(io.ComfyNode):
    """Motion to LATENT."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoMotionToTensor",
            display_name="Ditto Motion to Tensor",
            category="Ditto/Mix",
            description="Motion as a LATENT whose samples are float32 (1, channels, 1, frames), so that the "
            "nodes for latents can add, scale, mix, save and load it.",
            inputs=[MotionSocket.Input("motion", tooltip="From Ditto LMDM Sample.")],
            outputs=[
                io.Latent.Output(
                    display_name="tensor",
                    tooltip="For Latent Add, Multiply, Interpolate, Save Latent, or your own nodes.",
                ),
            ],
        )

    @classmethod
    def execute(cls, motion: Motion) -> io.NodeOutput:
        return io.NodeOutput({"samples": motion_to_tensor(motion)})


class DittoMotionFromTensor(io.ComfyNode):
    """LATENT to motion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoMotionFromTensor",
            display_name="Ditto Motion from Tensor",
            category="Ditto/Mix",
            description="A LATENT from Ditto Motion to Tensor, changed or loaded, as motion again.",
            inputs=[
                io.Latent.Input("tensor", tooltip="Samples (1, channels, 1, frames)."),
                MotionSocket.Input(
                    "like",
                    tooltip="The motion it stands in for: gives engine, sound, frame rate, length "
                    "and blinks.",
                ),
            ],
            outputs=[
                MotionSocket.Output(
                    display_name="motion", tooltip="For Ditto Motion Stitch and Ditto Plot Motion."
                ),
            ],
        )

    @classmethod
    def execute(cls, tensor: Input.Latent, like: Motion) -> io.NodeOutput:
        return io.NodeOutput(motion_from_tensor(tensor["samples"], like))
