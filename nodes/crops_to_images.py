"""Rendered faces, not put back yet, as an IMAGE batch."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import FaceCrops
from ..ditto_core.media.collect import collect_images, part_of
from .comfy_host import ComfyHost
from .common_inputs import part_inputs
from .sockets import CropsSocket


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
