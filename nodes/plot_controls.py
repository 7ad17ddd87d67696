"""A picture of what the controls change over time."""

from __future__ import annotations

from comfy_api.latest import Input, io

from ..ditto_core.controls.control import Controls
from ..ditto_core.controls.curve import Clip
from ..ditto_core.controls.plot import control_curves
from ..ditto_core.media.plot import plot_curves
from ..ditto_core.options import as_fps
from .common_inputs import diagram_inputs, fps_input
from .inputs import audio_from
from .outputs import image_from
from .sockets import ControlsSocket


class DittoPlotControls(io.ComfyNode):
    """Controls to a diagram."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoPlotControls",
            display_name="Ditto Plot Controls",
            category="Ditto/Controls",
            description="Draws what the controls change over time: emotions, fades, head pose, gaze, the "
            "mouth's amount, times of blinks.",
            inputs=[
                ControlsSocket.Input("controls", tooltip="From the nodes in Ditto/Controls."),
                io.Audio.Input("audio", tooltip="The speech: sets the length, and lies behind the curves."),
                fps_input("Frame rate of the clip."),
                *diagram_inputs(),
            ],
            outputs=[io.Image.Output(display_name="plot", tooltip="For Preview Image or Save Image.")],
        )

    @classmethod
    def execute(
        cls, controls: Controls, audio: Input.Audio | None, fps: float, width: int, height: int
    ) -> io.NodeOutput:
        sound, rate = audio_from(audio), as_fps(fps)
        curves = control_curves(controls, Clip(sound.frame_count(rate), rate))
        return io.NodeOutput(image_from(plot_curves(curves, rate, sound, width, height)))
