"""The weights of the blend as a MASK."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.blend.put_back import frame_weights, mask_weight
from ..ditto_core.data import FaceCrops
from ..ditto_core.exchange import repeated
from ..ditto_core.media.collect import collect_masks, part_of
from ..ditto_core.options import BlendMode, BlendOptions, CustomFormula
from .comfy_host import ComfyHost
from .common_inputs import blend_inputs, part_inputs
from .inputs import chosen
from .sockets import CropsSocket

ON_FRAME = {"crop": False, "frame": True}


class DittoBlendMask(io.ComfyNode):
    """Blend weights to MASK."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoBlendMask",
            display_name="Ditto Blend Mask",
            category="Ditto/Mix",
            description="How much of the render Ditto Put Back Blend shows at each pixel, as a MASK.",
            inputs=[
                CropsSocket.Input("crops", tooltip="From Ditto Decode."),
                io.Combo.Input(
                    "on",
                    options=list(ON_FRAME),
                    default="frame",
                    tooltip="frame: one mask for each output frame, in its size. crop: the same mask "
                    "for each crop.",
                ),
                *part_inputs(),
                *blend_inputs(),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="0 the source .. 1 the rendered face.")],
        )

    @classmethod
    def execute(
        cls,
        crops: FaceCrops,
        on: str,
        start: int,
        count: int,
        amount: float,
        feather: float,
        mode: BlendMode = BlendOptions.mode,
        alpha: float = 1.0,
        custom_formula: CustomFormula = BlendOptions.custom_formula,
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = BlendOptions(amount, feather, mode, alpha, custom_formula)
        if chosen("on", on, ON_FRAME):
            masks = frame_weights(crops, options)
        else:
            masks = repeated(mask_weight(crops.mask, options), len(crops.images))
        return io.NodeOutput(collect_masks(part_of(masks, start, count), host, host.free_memory()))
