"""Keypoints drawn over the source, as an IMAGE batch."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Keypoints
from ..ditto_core.exchange import draw_keypoints
from ..ditto_core.media.collect import collect_images, part_of
from .comfy_host import ComfyHost
from .common_inputs import part_inputs
from .sockets import KeypointsSocket


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
