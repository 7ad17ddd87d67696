"""Frames as an IMAGE batch: the one place where they are all held in memory."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Frames
from ..ditto_core.media.collect import collect_images, part_of
from .comfy_host import ComfyHost
from .common_inputs import part_inputs
from .inputs import frames_from
from .sockets import FramesSocket


class DittoFramesToImages(io.ComfyNode):
    """Frames to IMAGE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoFramesToImages",
            display_name="Ditto Frames to Images",
            category="Ditto/Output",
            description="Renders frames into an IMAGE batch for other nodes. All of them are held in memory; "
            "to write a video, use Ditto Frames to Video.",
            inputs=[
                FramesSocket.Input("frames", tooltip="From Ditto Put Back Blend."),
                *part_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The rendered frames."),
                io.Float.Output(display_name="fps", tooltip="Their frame rate, for Create Video."),
            ],
        )

    @classmethod
    def execute(cls, frames: Frames, start: int, count: int) -> io.NodeOutput:
        host, frames = ComfyHost(), frames_from(frames)
        part = part_of(frames.images, start, count)
        images = collect_images(part, host, free_memory=host.free_memory())
        return io.NodeOutput(images, float(frames.fps))
