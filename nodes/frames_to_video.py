"""Frames as a VIDEO, streamed to a file."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import Input, InputImpl, io

from ..ditto_core.data import Frames
from ..ditto_core.media.encoders import Preset, VideoCodec, VideoOptions
from ..ditto_core.media.writer import write_video
from .comfy_host import ComfyHost, new_temporary_video
from .common_inputs import crf_input
from .inputs import audio_from, frames_from
from .option_input import option_input
from .sockets import FramesSocket

PIXEL_FORMATS = ("yuv420p", "yuv420p10le", "yuv444p")


class DittoFramesToVideo(io.ComfyNode):
    """Frames to VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoFramesToVideo",
            display_name="Ditto Frames to Video",
            category="Ditto/Output",
            description="Renders frames straight into a video with sound. The length needs no memory.",
            inputs=[
                FramesSocket.Input("frames", tooltip="From Ditto Put Back Blend."),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="Sound to use instead of the speech the frames were made from.",
                ),
                option_input(VideoOptions, "codec", "How the picture is compressed. h264 plays everywhere."),
                crf_input(),
                option_input(
                    VideoOptions, "preset", "Slower presets make smaller files of the same quality."
                ),
                io.Combo.Input(
                    "pixel_format",
                    options=list(PIXEL_FORMATS),
                    default=VideoOptions.pixel_format,
                    tooltip="yuv420p plays everywhere; yuv420p10le has finer shades, yuv444p finer colour."
                    " Few players show these two.",
                ),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="For Save Video or Get Video Components."),
            ],
        )

    @classmethod
    def execute(
        cls,
        frames: Frames,
        codec: VideoCodec,
        crf: int,
        preset: Preset,
        pixel_format: str,
        audio: Input.Audio | None = None,
    ) -> io.NodeOutput:
        options = VideoOptions(codec, crf, preset, pixel_format)
        frames = frames_from(frames)
        if audio is not None:
            frames = replace(frames, audio=audio_from(audio))
        path = write_video(frames, new_temporary_video(), options, ComfyHost())
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))
