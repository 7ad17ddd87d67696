"""The bundled portrait and speech, so that a fresh installation has something to run."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.demo import PORTRAIT, SPEECH
from ..ditto_core.media.images import read_image
from ..ditto_core.media.sound import read_audio
from .outputs import audio_to_comfy, image_from


class DittoExample(io.ComfyNode):
    """A portrait and a recording of speech."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoExample",
            display_name="Ditto Example Portrait and Speech",
            category="Ditto/Load",
            description="A portrait and speech that come with the pack. Use Load Image and Load Audio for "
            "your own.",
            inputs=[],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="A picture of one person."),
                io.Audio.Output(display_name="speech", tooltip="A few seconds of synthetic speech."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(image_from(read_image(PORTRAIT)), audio_to_comfy(read_audio(SPEECH)))
