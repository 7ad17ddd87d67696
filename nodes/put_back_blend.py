"""Rendered faces back on the source frames."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.blend.put_back import put_back
from ..ditto_core.data import FaceCrops
from ..ditto_core.options import BlendMode, BlendOptions, CustomFormula
from .common_inputs import blend_inputs
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
                *blend_inputs(),
            ],
            outputs=[
                FramesSocket.Output(
                    display_name="frames",
                    tooltip="Finished pictures with their sound, rendered when they are read.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        crops: FaceCrops,
        amount: float,
        feather: float,
        mode: BlendMode = BlendOptions.mode,
        alpha: float = 1.0,
        custom_formula: CustomFormula = BlendOptions.custom_formula,
    ) -> io.NodeOutput:
        options = BlendOptions(amount, feather, mode, alpha, custom_formula)
        return io.NodeOutput(put_back(crops, options))
