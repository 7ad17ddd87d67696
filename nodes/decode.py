"""Warped features to face pictures."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import FeatureVolumes
from .sockets import CropsSocket, VolumesSocket


class DittoDecode(io.ComfyNode):
    """Stage six: decode."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoDecode",
            display_name="Ditto Decode",
            category="Ditto/Stages",
            description="Turns warped features into pictures of the face. Lazy: frames are computed when the "
            "video is written.",
            inputs=[
                VolumesSocket.Input("volumes", tooltip="From Ditto Warp3D."),
            ],
            outputs=[
                CropsSocket.Output(display_name="crops", tooltip="Rendered faces, for Ditto Put Back Blend."),
            ],
        )

    @classmethod
    def execute(cls, volumes: FeatureVolumes) -> io.NodeOutput:
        return io.NodeOutput(volumes.engine.decode(volumes))
