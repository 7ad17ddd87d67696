"""Rendered faces back on the source frames."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..ditto_core.blend.put_back import put_back
from ..ditto_core.data import FaceCrops
from ..ditto_core.options import BlendMode, BlendOptions, CustomFormula
from .inputs import chosen, named
from .sockets import CropsSocket, FramesSocket

MODES = named(BlendMode)
FORMULAS = named(CustomFormula)
AMOUNT_TOOLTIP = "How much of the rendered face is shown: 0 is the source, 1 the rendered face."
FEATHER_TOOLTIP = "Width of the soft border, as a fraction of the crop's shorter side."
MODE_TOOLTIP = (
    "How much of the render is shown in the middle of the face and at the border of its crop. "
    "blend: 100 and 0 percent. replace: 100 and 100, a hard edge. strong: 100 and 50, the edge can be seen. "
    "weak: 50 and 0. custom: alpha and 0."
)
ALPHA_TOOLTIP = "For mode custom: how much of the render is shown, 0 the original, 1 as in blend."
FORMULA_TOOLTIP = (
    "For mode custom: opacity is a true percentage. published is the official program's: alpha in the "
    "middle, 1 - alpha at the border; at 0.5 the whole crop is half visible, below it is inside out."
)


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
        mode: str = BlendOptions.mode,
        alpha: float = 1.0,
        custom_formula: str = BlendOptions.custom_formula,
    ) -> io.NodeOutput:
        options = blend_options(amount, feather, mode, alpha, custom_formula)
        return io.NodeOutput(put_back(crops, options))


def blend_inputs() -> list[Any]:
    """The widgets of the blend."""
    return [
        io.Float.Input(
            "amount",
            default=BlendOptions.amount,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip=AMOUNT_TOOLTIP,
        ),
        io.Float.Input(
            "feather",
            default=BlendOptions.feather,
            min=0.0,
            max=0.5,
            step=0.005,
            tooltip=FEATHER_TOOLTIP,
        ),
        io.Combo.Input(
            "mode", options=list(MODES), default=BlendOptions.mode, optional=True, tooltip=MODE_TOOLTIP
        ),
        io.Float.Input(
            "alpha", default=1.0, min=0.0, max=1.0, step=0.01, optional=True, tooltip=ALPHA_TOOLTIP
        ),
        io.Combo.Input(
            "custom_formula",
            options=list(FORMULAS),
            default=BlendOptions.custom_formula,
            optional=True,
            tooltip=FORMULA_TOOLTIP,
        ),
    ]


def blend_options(
    amount: float, feather: float, mode: str, alpha: float, custom_formula: str
) -> BlendOptions:
    """What the widgets of the blend stand for."""
    formula = chosen("custom_formula", custom_formula, FORMULAS)
    return BlendOptions(amount, feather, chosen("mode", mode, MODES), alpha, formula)
