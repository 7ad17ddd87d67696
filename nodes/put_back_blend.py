"""Rendered faces back on the source frames."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.blend.put_back import put_back
from ..ditto_core.data import BlendOptions, FaceCrops
from .sockets import CropsSocket, FramesSocket


class DittoPutBackBlend(io.ComfyNode):
    """Stage seven: put back."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoPutBackBlend",
            display_name="Ditto Put Back Blend",
            category="Ditto/Stages",
            description="Puts the rendered faces back on the source frames.",
            inputs=[
                CropsSocket.Input("crops", tooltip="From Ditto Decode."),
                io.Float.Input(
                    "amount",
                    default=BlendOptions.amount,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the rendered face is shown: 0 is the source, 1 the rendered face.",
                ),
                io.Float.Input(
                    "feather",
                    default=BlendOptions.feather,
                    min=0.0,
                    max=0.5,
                    step=0.005,
                    tooltip="Width of the soft border, as a fraction of the crop's shorter side.",
                ),
            ],
            outputs=[
                FramesSocket.Output(
                    display_name="frames",
                    tooltip="Finished pictures with their sound, rendered when they are read.",
                ),
            ],
        )

    @classmethod
    def execute(cls, crops: FaceCrops, amount: float, feather: float) -> io.NodeOutput:
        return io.NodeOutput(put_back(crops, BlendOptions(amount, feather)))
