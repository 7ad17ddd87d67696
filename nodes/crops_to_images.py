"""What lies between the stages, as IMAGE and MASK: rendered crops, the blend mask, keypoints."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.blend.put_back import crop_weight, frame_weights
from ..ditto_core.data import FaceCrops, Keypoints
from ..ditto_core.exchange import draw_keypoints, repeated
from ..ditto_core.media.collect import collect_images, collect_masks, part_of
from ..ditto_core.options import BlendOptions
from .comfy_host import ComfyHost
from .common_inputs import part_inputs
from .inputs import chosen
from .put_back_blend import blend_inputs, blend_options
from .sockets import CropsSocket, KeypointsSocket

ON_FRAME = {"crop": False, "frame": True}


class DittoCropsToImages(io.ComfyNode):
    """Crops to IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoCropsToImages",
            display_name="Ditto Crops to Images",
            category="Ditto/Mix",
            description="The rendered faces before they are put back, as an IMAGE batch for other nodes.",
            inputs=[CropsSocket.Input("crops", tooltip="From Ditto Decode."), *part_inputs()],
            outputs=[io.Image.Output(display_name="images", tooltip="The rendered faces.")],
        )

    @classmethod
    def execute(cls, crops: FaceCrops, start: int, count: int) -> io.NodeOutput:
        host = ComfyHost()
        part = part_of(crops.images, start, count)
        return io.NodeOutput(collect_images(part, host, free_memory=host.free_memory()))


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
        mode: str = BlendOptions.mode,
        alpha: float = 1.0,
        custom_formula: str = BlendOptions.custom_formula,
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = blend_options(amount, feather, mode, alpha, custom_formula)
        if chosen("on", on, ON_FRAME):
            masks = frame_weights(crops, options)
        else:
            masks = repeated(crop_weight(crops, options), len(crops.images))
        return io.NodeOutput(collect_masks(part_of(masks, start, count), host, host.free_memory()))


class DittoKeypointsToImages(io.ComfyNode):
    """Keypoints to IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoKeypointsToImages",
            display_name="Ditto Keypoints to Images",
            category="Ditto/Mix",
            description="Draws the keypoints over the source's dimmed face crop: grey where they were, "
            "yellow where they go.",
            inputs=[KeypointsSocket.Input("keypoints", tooltip="From Ditto Motion Stitch."), *part_inputs()],
            outputs=[io.Image.Output(display_name="images", tooltip="One picture for each output frame.")],
        )

    @classmethod
    def execute(cls, keypoints: Keypoints, start: int, count: int) -> io.NodeOutput:
        host = ComfyHost()
        part = part_of(draw_keypoints(keypoints), start, count)
        return io.NodeOutput(collect_images(part, host, free_memory=host.free_memory()))
