"""Keypoints to warped features."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.data import Keypoints
from .sockets import KeypointsSocket, VolumesSocket


class DittoWarp3D(io.ComfyNode):
    """Stage five: warp."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoWarp3D",
            display_name="Ditto Warp3D",
            category="Ditto/Stages",
            description="Moves the avatar's appearance to the driving keypoints. Lazy: frames are computed "
            "when the video is written.",
            inputs=[
                KeypointsSocket.Input("keypoints", tooltip="From Ditto Motion Stitch."),
            ],
            outputs=[
                VolumesSocket.Output(display_name="volumes", tooltip="Warped features, for Ditto Decode."),
            ],
        )

    @classmethod
    def execute(cls, keypoints: Keypoints) -> io.NodeOutput:
        return io.NodeOutput(keypoints.engine.warp(keypoints))
