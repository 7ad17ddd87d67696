"""Speech to speech features."""

from __future__ import annotations

from comfy_api.latest import Input, io

from ..ditto_core.engine import Engine
from .comfy_host import ComfyHost
from .inputs import audio_from
from .sockets import EngineSocket, SpeechSocket


class DittoWav2Feat(io.ComfyNode):
    """Stage two: encode speech."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoWav2Feat",
            display_name="Ditto Wav2Feat",
            category="Ditto/Stages",
            description="Listens to speech: turns sound into the features motion is drawn from.",
            inputs=[
                EngineSocket.Input("engine", tooltip="From Ditto Load Engine; the same as the avatar's."),
                io.Audio.Input(
                    "audio", tooltip="Speech at any rate, mono or stereo. It becomes the sound of the video."
                ),
            ],
            outputs=[
                SpeechSocket.Output(display_name="speech", tooltip="For Ditto LMDM Sample."),
            ],
        )

    @classmethod
    def execute(cls, engine: Engine, audio: Input.Audio | None) -> io.NodeOutput:
        return io.NodeOutput(engine.encode_speech(audio_from(audio), ComfyHost()))
