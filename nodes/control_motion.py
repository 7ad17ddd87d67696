"""Controls of motion: head pose, fades, single frames, and presets."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.controls.control import Controls
from ..ditto_core.controls.curve import Curve
from ..ditto_core.controls.parts import Fade, HeadPose, SingleFrames
from ..ditto_core.controls.presets import PRESETS, Preset
from ..ditto_core.controls.text import parse_frames
from ..ditto_core.options import StitchOptions
from .common_inputs import FADE_TYPE, fade_type_input
from .control_inputs import BETWEEN, between_input, controls_input, controls_output, curve_input
from .inputs import AS_CONFIGURED, NO_CONTROLS, chosen
from .option_input import option_inputs

PRESET_TITLES = {name.replace("_", " ").title(): name for name in PRESETS}
FADING: dict[str, tuple[str, ...] | None] = {
    AS_CONFIGURED: None,
    "expression": ("exp",),
    "head": ("pitch", "yaw", "roll", "t"),
    "expression and head": ("exp", "pitch", "yaw", "roll", "t"),
}
FADES = {
    "fade_in": "Frames in which motion begins, -1 for no fade; 25 are a second.",
    "fade_out": "Frames in which motion ends, -1 for no fade; 25 are a second.",
}
FACTOR = "Factor of {}, the source's own included; with Lite of the drawn motion alone. Blank: 1."
EXAMPLE_FRAMES = '{\n  "0": {"fade_alpha": 0.0},\n  "25": {"fade_alpha": 1.0, "delta_yaw": 5}\n}'


class DittoHeadPose(io.ComfyNode):
    """Head turned and its motion scaled."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoHeadPose",
            display_name="Ditto Head Pose",
            category="Ditto/Controls",
            description="Turns the head by degrees, constant or over time, and scales its angles. Lite turns "
            "the head of a picture only, by at most 5 degrees, and its factors scale the drawn motion alone.",
            inputs=[
                curve_input(
                    "pitch",
                    "Degrees added to pitch (nod). Blank: as configured; published configurations add 2.",
                ),
                curve_input("yaw", "Degrees added to yaw (turn). Blank: none."),
                curve_input("roll", "Degrees added to roll (tilt). Blank: none."),
                curve_input("pitch_amount", FACTOR.format("pitch")),
                curve_input("yaw_amount", FACTOR.format("yaw")),
                curve_input("roll_amount", FACTOR.format("roll")),
                between_input(),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls,
        pitch: str,
        yaw: str,
        roll: str,
        pitch_amount: str,
        yaw_amount: str,
        roll_amount: str,
        between: str,
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        way = chosen("between", between, BETWEEN)
        texts = (pitch, yaw, roll, pitch_amount, yaw_amount, roll_amount)
        return io.NodeOutput(controls.plus(HeadPose(*(Curve.parse(text, way) for text in texts))))


class DittoFade(io.ComfyNode):
    """Motion from and to rest."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoFade",
            display_name="Ditto Fade",
            category="Ditto/Controls",
            description="Lets motion come from rest at the start and return to rest at the end.",
            inputs=[
                *option_inputs(StitchOptions, FADES, default=25),
                fade_type_input(
                    "What rest is: d0 the first frame, s the source, none no fades. Ditto only; Lite fades "
                    "to the source at rest.",
                ),
                io.Combo.Input(
                    "parts",
                    options=list(FADING),
                    default=AS_CONFIGURED,
                    tooltip="What fades; as configured is the expression. Ditto only; Lite fades everything.",
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls, fade_in: int, fade_out: int, fade_type: str, parts: str, controls: Controls = NO_CONTROLS
    ) -> io.NodeOutput:
        target, fading = chosen("fade_type", fade_type, FADE_TYPE), chosen("parts", parts, FADING)
        return io.NodeOutput(controls.plus(Fade(fade_in, fade_out, target, fading)))


class DittoFrameControl(io.ComfyNode):
    """ctrl_info as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoFrameControl",
            display_name="Ditto Frame Control",
            category="Ditto/Controls",
            description="ctrl_info: what changes in single frames, as JSON. Lite honours fade_alpha, "
            "vad_alpha, delta_ and alpha_ of pitch, yaw and roll.",
            inputs=[
                io.String.Input(
                    "ctrl_info",
                    default=EXAMPLE_FRAMES,
                    multiline=True,
                    tooltip="Frame numbers with what changes there: fade_alpha, fade_out_keys, vad_alpha, "
                    "delta_pitch, delta_yaw, delta_roll (degrees), alpha_pitch, alpha_yaw, alpha_roll "
                    "(factors), delta_exp (63 numbers). Or a list of these from frame 0 on.",
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(cls, ctrl_info: str, controls: Controls = NO_CONTROLS) -> io.NodeOutput:
        return io.NodeOutput(controls.plus(SingleFrames(parse_frames(ctrl_info))))


class DittoPreset(io.ComfyNode):
    """Several settings at once."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoPreset",
            display_name="Ditto Preset",
            category="Ditto/Controls",
            description="The documents' settings by name. Connect it to Ditto Load Avatar as well: some "
            "settings are the avatar's. Of these Lite honours max_size.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(PRESET_TITLES),
                    default="Balanced",
                    tooltip="Sets sampling_timesteps, overlap_v2, smo_k_d, smo_k_s, max_size and emo as far "
                    "as the documents name them; the help page has the numbers.",
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(cls, preset: str, controls: Controls = NO_CONTROLS) -> io.NodeOutput:
        return io.NodeOutput(controls.plus(Preset(chosen("preset", preset, PRESET_TITLES))))
